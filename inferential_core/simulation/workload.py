"""A simulated fleet: how its robots ask, what their model costs, how far away it is.

A robot executes chunks of `horizon` actions at `rate_hz` and asks again when the share `threshold`
of a chunk is left.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Kind:
    """Robots that are alike."""

    rate_hz: float
    horizon: int
    threshold: float
    tier: int = 1  # 0 is the most important
    share: float = 1.0  # of the fleet
    rogue: bool = False  # asks `rate_hz` times a second and always claims to be dry

    @property
    def period_s(self) -> float:
        """Control period."""
        return 1.0 / self.rate_hz

    @property
    def window_s(self) -> float:
        """From asking to running dry."""
        return self.threshold * self.horizon / self.rate_hz

    @property
    def interval_s(self) -> float:
        """From asking to asking again, while all goes well."""
        return (1.0 - self.threshold) * self.horizon / self.rate_hz


@dataclass(frozen=True)
class Workload:
    """A fleet and the model it shares, which serves b observations in L(b) seconds.

    L(b) is `fixed_s + each_s * b`, or what `stepped_s` lists.
    """

    name: str
    title: str
    kinds: tuple[Kind, ...]
    fixed_s: float
    each_s: float
    max_batch: int
    net_s: float  # one way, mean
    net_jitter_s: float  # uniform, this much to either side
    group: int = 1  # robots that ask at the same moment
    seconds: float = 30.0  # simulated by default
    rogues: tuple[Kind, ...] = field(default=())
    stepped_s: tuple[float, ...] = ()  # L(1), L(2), ..., where that is no straight line
    batch_sizes: tuple[int, ...] = ()  # to which the model pads its batches, as it declares
    pace_jitter: float = 0.1  # share of its interval an open-loop robot is early or late, uniform

    def latency_s(self, batch_size: int) -> float:
        """L(b) in seconds."""
        if self.stepped_s:
            return self.stepped_s[batch_size - 1]
        return self.fixed_s + self.each_s * batch_size

    @property
    def capacity(self) -> float:
        """Observations per second that the model serves in full batches."""
        return self.max_batch / self.latency_s(self.max_batch)

    def fleet(self, load: float) -> list[Kind]:
        """One entry a robot: as many as ask `load` times what the model can serve, then rogues."""
        rate = sum(kind.share / kind.interval_s for kind in self.kinds)
        count = max(len(self.kinds), round(load * self.capacity / rate))
        robots: list[Kind] = []
        for index, kind in enumerate(self.kinds):
            share = sum(each.share for each in self.kinds[: index + 1])
            robots += [kind] * (round(share * count) - len(robots))
        return robots + list(self.rogues)
