"""What each output gets, now: the step of the plan that is due, the declared fallback, or nothing.

No rclpy and no clock in here. Rules, each with a test in test/ros/test_executor.py:

- nothing before the first valid plan; nothing of a plan from start + lease on;
- a plan is refused whole if its shape, a value, its epoch or its order is wrong;
- steps already past when a plan arrives are skipped, a stalled caller shifts nothing;
- when the plan ends: `hold` repeats the last target, `zeros` sends zeros, `none` falls silent;
- whatever is sent lies within the limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from inferential_ros.execution.overlap import Overlap, latest
from inferential_ros.execution.plan import Plan


class Source(Enum):
    """Where the values of a tick come from."""

    WAITING = "waiting"  # no valid plan yet: nothing is published
    PLAN = "plan"
    FALLBACK = "fallback"


@dataclass(frozen=True)
class Rule:
    """One output: its columns of the chunk, in its order, its fallback and its limits."""

    columns: tuple[int, ...]
    fallback: str  # hold | zeros | none
    lower: tuple[float, ...]
    upper: tuple[float, ...]


@dataclass(frozen=True)
class Tick:
    """Values per output, None where an output stays silent; what follows is of the plan."""

    source: Source
    values: tuple[np.ndarray | None, ...]
    request_id: int = 0
    start_ns: int = 0
    step: int = -1


class PlanRefused(Exception):
    """A plan that will not be executed; the text says why."""


class PlanTooLate(PlanRefused):
    """A plan whose every step had passed when it came."""


class Executor:
    """Holds at most one plan to execute and one that is not due yet."""

    def __init__(self, rules: tuple[Rule, ...], dimension: int, overlap: Overlap = latest) -> None:
        self._dimension = dimension
        self._overlap = overlap
        self._columns = [np.array(rule.columns, dtype=np.intp) for rule in rules]
        self._fallback = [rule.fallback for rule in rules]
        self._lower = [np.array(rule.lower) for rule in rules]
        self._upper = [np.array(rule.upper) for rule in rules]
        self._plan: Plan | None = None
        self._next: Plan | None = None  # valid, but its first step is in the future
        self._held: list[np.ndarray] | None = None  # last values of a plan, per output
        self.epoch = 0

    def accept(self, plan: Plan, now_ns: int) -> None:
        """Execute this plan from now on; PlanRefused leaves everything as it was."""
        self._check(plan)
        if plan.end_ns <= now_ns:
            late_ms = (now_ns - plan.end_ns) / 1e6
            raise PlanTooLate(f"all of the plan lies in the past, it ended {late_ms:.1f} ms ago")
        self._promote(now_ns)
        if plan.start_ns > now_ns:
            self._next = plan
        else:
            self._plan = self._overlap(self._plan, plan, now_ns)
            self._next = None

    def tick(self, now_ns: int) -> Tick:
        """What to publish now."""
        self._promote(now_ns)
        plan = self._plan
        if plan is not None and plan.start_ns <= now_ns < plan.end_ns:
            step = plan.step_at(now_ns)
            row = plan.actions[step]
            values = [
                np.clip(row[columns], lower, upper)
                for columns, lower, upper in zip(self._columns, self._lower, self._upper)
            ]
            self._held = values
            return Tick(Source.PLAN, tuple(values), plan.request_id, plan.start_ns, step)
        return self.stopped()

    def stopped(self) -> Tick:
        """The declared fallback of every output, whatever the plan says."""
        if self._held is None:
            return Tick(Source.WAITING, tuple(None for _ in self._columns))
        return Tick(
            Source.FALLBACK,
            tuple(self._fallback_values(index) for index in range(len(self._columns))),
        )

    def runway_ns(self, now_ns: int) -> int:
        """Time until the actions at hand run out, 0 when they have."""
        end_ns = now_ns
        for plan in (self._plan, self._next):
            if plan is not None and plan.start_ns <= end_ns:
                end_ns = max(end_ns, plan.end_ns)
        return end_ns - now_ns

    def share_left(self, now_ns: int) -> float:
        """Part of the newest plan that is not executed yet, 0.0 without a plan."""
        newest = self._next or self._plan
        if newest is None:
            return 0.0
        return max(0, newest.end_ns - now_ns) / (newest.horizon * newest.period_ns)

    def clear(self) -> None:
        """Drop the plans; what to hold stays known."""
        self._plan = self._next = None

    def new_epoch(self) -> int:
        """Drop the plans, and refuse those of older epochs from now on. Returns the epoch."""
        self.clear()
        self.epoch += 1
        return self.epoch

    def _promote(self, now_ns: int) -> None:
        if self._next is not None and self._next.start_ns <= now_ns:
            self._plan = self._overlap(self._plan, self._next, now_ns)
            self._next = None

    def _check(self, plan: Plan) -> None:
        actions = plan.actions
        if plan.epoch != self.epoch:
            raise PlanRefused(f"epoch {plan.epoch} is not the current one, {self.epoch}")
        if actions.ndim != 2 or actions.shape[0] < 1 or actions.shape[1] != self._dimension:
            raise PlanRefused(f"shape {actions.shape} is not (H, {self._dimension}) with H >= 1")
        if actions.dtype.kind not in "fiu":
            raise PlanRefused(f"dtype {actions.dtype} is not numeric")
        if not np.isfinite(actions).all():
            raise PlanRefused("the plan holds NaN or infinite values")
        if plan.period_ns <= 0 or plan.lease_ns <= 0:
            raise PlanRefused("period and lease must be greater than 0")
        newest = self._next or self._plan
        if newest is not None and plan.request_id < newest.request_id:
            raise PlanRefused("it answers an older observation than the plan at hand")

    def _fallback_values(self, index: int) -> np.ndarray | None:
        assert self._held is not None
        if self._fallback[index] == "hold":
            return self._held[index]
        if self._fallback[index] == "zeros":
            zeros = np.zeros(len(self._columns[index]))
            return np.clip(zeros, self._lower[index], self._upper[index])
        return None
