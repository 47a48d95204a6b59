"""The fleets W1 to W8: how their robots ask, what their model costs, how far away it is.

A robot executes chunks of `horizon` actions at `rate_hz` and asks again when the share `threshold`
of a chunk is left. A model serves b observations in `fixed_s + each_s * b` seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LOADS = (0.5, 0.9, 1.2, 2.0)


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
    """A fleet and the model it shares."""

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

    def latency_s(self, batch_size: int) -> float:
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


def _alike(hz: float, horizon: int, threshold: float) -> tuple[Kind, ...]:
    return (Kind(hz, horizon, threshold),)


_TIERS = (
    Kind(50, 16, 0.5, tier=0, share=0.1),
    Kind(30, 40, 0.4, tier=1, share=0.5),
    Kind(10, 40, 0.5, tier=2, share=0.4),
)

_DIFFUSION = (_alike(10, 16, 0.5), 0.085, 0.015, 8, 0.005, 0.003)
_TIERED = (_TIERS, 0.018, 0.012, 8, 0.005, 0.002)
_ROGUES = (Kind(50, 16, 0.5, tier=1, rogue=True),)

WORKLOADS = {
    each.name: each
    for each in (
        Workload("W1", "pi0.5-like", _alike(50, 50, 0.5), 0.020, 0.010, 8, 0.005, 0.002),
        Workload("W2", "pi0 RTC, tight", _alike(50, 50, 0.25), 0.043, 0.030, 4, 0.005, 0.002),
        Workload("W3", "OpenVLA-OFT-like", _alike(25, 25, 0.6), 0.040, 0.033, 8, 0.005, 0.003),
        Workload("W4", "SmolVLA over WAN", _alike(30, 50, 0.5), 0.150, 0.020, 8, 0.040, 0.015),
        Workload("W5", "ACT", _alike(50, 100, 0.1), 0.008, 0.0015, 8, 0.003, 0.001, seconds=10),
        Workload("W6", "Diffusion, 12 in step", *_DIFFUSION, group=12),
        Workload("W7", "three tiers", *_TIERED),
        Workload("W8", "W7 and a rogue client", *_TIERED, rogues=_ROGUES),
    )
}
