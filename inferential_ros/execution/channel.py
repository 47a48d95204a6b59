"""One output: its columns of a row within limits and steps, and what it does without a plan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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


class OutputChannel:
    """Remembers what was published last; every value it gives out counts as published."""

    def __init__(self, rule: Rule) -> None:
        self.columns = np.array(rule.columns, dtype=np.intp)
        self.held_back = 0  # how often a limit or a largest step changed what a plan wanted
        self._lower = np.array(rule.lower)
        self._upper = np.array(rule.upper)
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
        wanted = row[self.columns]
        values = self._publish(self.limited(wanted), on_time, self._max_step)
        self.held_back += not np.array_equal(values, wanted)
        return values

    def limited(self, values: np.ndarray) -> np.ndarray:
        """Values (..., n) within the limits."""
        return np.clip(values, self._lower, self._upper)

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
        return self.limited(self._start + self._speed * way_s)

    def _speed_of(self, plan: Plan | None, step: int) -> np.ndarray:
        if plan is None or not 0 < step < plan.horizon:
            return np.zeros(len(self.columns))
        rows = self.limited(plan.actions[step - 1 : step + 1][:, self.columns])
        return (rows[1] - rows[0]) / (plan.period_ns / 1e9)

    def _publish(
        self, values: np.ndarray, on_time: bool, max_step: np.ndarray | None
    ) -> np.ndarray:
        """No further from the last values than one step, nor from those of the tick before."""
        if max_step is not None and self._last is not None and self._ticked is not None:
            for before in (self._ticked, self._last):
                values = np.clip(values, before - max_step, before + max_step)
        self._last = values
        if on_time or self._ticked is None:
            self._ticked = values
        return values
