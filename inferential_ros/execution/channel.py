"""One output: keeps its columns within limits and steps, and knows its fallback."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from inferential_ros.execution.geometry import Group
from inferential_ros.execution.plan import Plan

HOLD, ZEROS, NONE, DECELERATE = "hold", "zeros", "none", "decelerate"
FALLBACKS = (HOLD, ZEROS, NONE, DECELERATE)
POSITION = "position"
DECELERATE_S = 0.5


@dataclass(frozen=True)
class Rule:
    """What a contract says of one output.

    columns: of the chunk, in the output's order; lower, upper, max_step: one value for each.
    kind: what the numbers are; of a position standing still means another thing than of a
    velocity, an effort or a twist.

    fallback, when there is no valid action (again):
    hold        repeats the last values
    zeros       at once, whatever the largest step is; but a position goes there step by step
    none        silence
    decelerate  within decelerate_s: velocities, efforts and twists ramp linearly to zero, a
                position goes on with the velocity that the plan had, which ramps to zero
    """

    columns: tuple[int, ...]
    fallback: str
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    kind: str = POSITION
    max_step: tuple[float, ...] | None = None  # per control tick
    decelerate_s: float = DECELERATE_S
    geometry: tuple[Group, ...] = ()  # of the output's columns, those that are no plain numbers

    def over(self, ticks: float) -> Rule:
        """The rule for rows that are so many control ticks apart."""
        if self.max_step is None:
            return self
        return replace(self, max_step=tuple(ticks * step for step in self.max_step))


class OutputChannel:
    """Remembers what was published last; every value it gives out counts as published."""

    def __init__(self, rule: Rule) -> None:
        self.columns = np.array(rule.columns, dtype=np.intp)
        self.held_back = 0  # how often a limit or a largest step changed what a plan wanted
        self._lower = np.array(rule.lower)
        self._upper = np.array(rule.upper)
        self._bounded = bool(np.isfinite((self._lower, self._upper)).any())
        self._max_step = None if rule.max_step is None else np.array(rule.max_step)
        self._fallback = rule.fallback
        self._position = rule.kind == POSITION
        self._decelerate_ns = round(rule.decelerate_s * 1e9)
        self._last: np.ndarray | None = None  # what was published last
        self._ticked: np.ndarray | None = None  # at the last tick on time
        self._start: np.ndarray | None = None  # of the fallback: the last values of a plan
        self._speed = np.zeros(len(rule.columns))  # of the plan then, per second
        self._since_ns = 0

    def follow(self, row: np.ndarray, now_ns: int, on_time: bool) -> np.ndarray:
        """The values of a plan's row (D,). on_time: at a control tick, not between two."""
        self._start, self._since_ns = None, now_ns
        wanted = self._as_before(row[self.columns])
        values = self._publish(self.limited(wanted), on_time, self._max_step)
        if values is not wanted:
            self.held_back += bool((values != wanted).any())
        return values

    def begin_at(self, values: np.ndarray) -> None:
        """Go on from values that were published, by whomever."""
        self._last = self._ticked = values

    def limited(self, values: np.ndarray) -> np.ndarray:
        """Values (..., n) within the limits; themselves where there are none."""
        if not self._bounded:
            return values
        return np.minimum(np.maximum(values, self._lower), self._upper)

    def fall_back(
        self, now_ns: int, on_time: bool, plan: Plan | None, step: int
    ) -> np.ndarray | None:
        """The values without a plan, None where it is silent. Only once a plan was followed.

        plan, step: what was followed last.
        """
        assert self._last is not None
        if self._start is None:
            self._start, self._speed = self._last, self._speed_of(plan, step)
        if self._fallback == NONE:
            return None
        if self._fallback == ZEROS:
            limit = self._max_step if self._position else None
            return self._publish(self._zeros, on_time, limit)
        values = self._start
        if self._fallback == DECELERATE:
            self._since_ns = min(self._since_ns, now_ns)  # the clock may have been set back
            values = self._slowed(now_ns - self._since_ns)
        return self._publish(values, on_time, self._max_step)

    def rest(self) -> np.ndarray | None:
        """The last word: where the fallback leads to, or the last values of a position."""
        assert self._last is not None
        if self._fallback == NONE:
            return None
        stays = self._position or self._fallback == HOLD
        return self._publish(self._last if stays else self._zeros, True, None)

    def settles_ns(self) -> int:
        """How long after a plan the values may still change by themselves."""
        return self._decelerate_ns if self._fallback == DECELERATE else 0

    @property
    def _zeros(self) -> np.ndarray:
        return self.limited(np.zeros(len(self.columns)))

    def _slowed(self, passed_ns: int) -> np.ndarray:
        assert self._start is not None
        share = min(1.0, passed_ns / self._decelerate_ns)
        if not self._position:
            return self.limited((1.0 - share) * self._start)
        # The velocity falls linearly over the time T: v * (t - t^2 / 2T) from where it began.
        way_s = self._decelerate_ns / 1e9 * (share - share * share / 2.0)
        return self.limited(self._ahead(way_s))

    def _ahead(self, way_s: float) -> np.ndarray:
        """Where the fallback's start leads to at the speed of the plan then."""
        assert self._start is not None
        return self._start + self._speed * way_s

    def _speed_of(self, plan: Plan | None, step: int) -> np.ndarray:
        if plan is None or not 0 < step < plan.horizon:
            return np.zeros(len(self.columns))
        rows = self.limited(plan.actions[step - 1 : step + 1][:, self.columns])
        return (rows[1] - rows[0]) / (plan.period_ns / 1e9)

    def _as_before(self, values: np.ndarray) -> np.ndarray:
        """Values (n,) of a row of one's own, written as those that were published before."""
        return values

    def _stepped(self, before: np.ndarray, values: np.ndarray, max_step: np.ndarray) -> np.ndarray:
        """The values, or what lies towards them no further than a step."""
        return np.minimum(np.maximum(values, before - max_step), before + max_step)

    def _publish(
        self, values: np.ndarray, on_time: bool, max_step: np.ndarray | None
    ) -> np.ndarray:
        """No further from the last values than one step, nor from those of the tick before."""
        if max_step is not None and self._last is not None and self._ticked is not None:
            for before in (self._ticked, self._last):
                values = self._stepped(before, values, max_step)
        self._last = values
        if on_time or self._ticked is None:
            self._ticked = values
        return values


class GeometricChannel(OutputChannel):
    """An output of which some columns are angles without ends, or rotations."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule)
        most = np.full(len(rule.columns), np.inf) if self._max_step is None else self._max_step
        self._groups = [group.held_to(self._lower, self._upper, most) for group in rule.geometry]
        self._turning = [group for group in self._groups if group.centres]
        self._rows = np.zeros((2, len(rule.columns)))  # of the plan, as the fallback began
        self._period_s = 1.0
        for group in self._groups:
            if not group.limitable:
                self._lower[group.at], self._upper[group.at] = -np.inf, np.inf

    def _as_before(self, values: np.ndarray) -> np.ndarray:
        if self._last is None:
            return self._centred(values)
        for group in self._groups:
            group.near(values, self._last)
        return values

    def limited(self, values: np.ndarray) -> np.ndarray:
        return super().limited(self._centred(values) if self._turning else values)

    def _centred(self, values: np.ndarray) -> np.ndarray:
        written = np.array(values)
        for group in self._turning:
            written[..., group.at] = group.centred(values[..., group.at])
        return written

    @property
    def _zeros(self) -> np.ndarray:
        values = np.zeros(len(self.columns))
        for group in self._groups:
            values[group.at] = group.zero
        return self._as_before(self.limited(values))

    def _speed_of(self, plan: Plan | None, step: int) -> np.ndarray:
        if plan is None or not 0 < step < plan.horizon:
            self._rows = np.stack([self._last, self._last])
        else:
            self._rows = self.limited(plan.actions[step - 1 : step + 1][:, self.columns])
            self._period_s = plan.period_ns / 1e9
        return super()._speed_of(plan, step)

    def _ahead(self, way_s: float) -> np.ndarray:
        assert self._start is not None
        values = super()._ahead(way_s)
        for group in self._groups:
            values[group.at] = group.ahead(self._start, self._rows, way_s / self._period_s)
        return self._as_before(values)

    def _stepped(self, before: np.ndarray, values: np.ndarray, max_step: np.ndarray) -> np.ndarray:
        stepped = super()._stepped(before, values, max_step)
        for group in self._groups:
            group.step(stepped, before, values, max_step)
        return stepped


def make_channel(rule: Rule) -> OutputChannel:
    """The channel of an output."""
    return GeometricChannel(rule) if rule.geometry else OutputChannel(rule)
