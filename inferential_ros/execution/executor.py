"""Decides what each output gets now: what plans say is due, the declared fallback, or nothing.

No rclpy and no clock in here. Rules, each with a test in test/ros/execution:

- nothing before the first valid plan; nothing of a plan from start + lease on;
- a plan is refused whole if its shape, a value, its epoch or its order is wrong;
- steps already past when a plan arrives are skipped, a stalled caller shifts nothing;
- without a valid action each output does what it declared;
- whatever is sent lies within the limits, and no further than one step from what was sent before.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from inferential_ros.execution.channel import Rule, make_channel
from inferential_ros.execution.geometry import admitted
from inferential_ros.execution.modes import Execution, make_mode
from inferential_ros.execution.open_loop import OpenLoop
from inferential_ros.execution.plan import Plan, PlanRefused, PlanTooLate
from inferential_ros.execution.record import DelayMeter, Record
from inferential_ros.execution.rtc import Rtc

__all__ = ["Execution", "Executor", "PlanRefused", "PlanTooLate", "Rule", "Source", "Tick"]


AS_IT_COMES = Execution()


class Source(Enum):
    """Where the values of a tick come from."""

    WAITING = "waiting"  # no valid plan yet: nothing is published
    PLAN = "plan"
    FALLBACK = "fallback"


@dataclass(frozen=True)
class Tick:
    """Values per output, None where an output stays silent; what follows is of the plan.

    executed: what was published of the plan before, on the tick that ends it.
    """

    source: Source
    values: tuple[np.ndarray | None, ...]
    request_id: int = 0
    observed_ns: int = 0  # when the observation was made that the plan answers
    step: int = -1
    executed: Plan | None = None


class Executor:
    """The outputs of one robot."""

    def __init__(
        self, rules: tuple[Rule, ...], dimension: int, execution: Execution = AS_IT_COMES
    ) -> None:
        self._dimension = dimension
        self._mode = make_mode(execution, dimension)
        # Nothing is asked before the plan at hand is over.
        self.open_loop = isinstance(self._mode, OpenLoop)
        self.tells_left_over = isinstance(self._mode, Rtc)  # whether `left_over` may tell any
        self._channels = [make_channel(rule) for rule in rules]
        self._geometry = execution.geometry
        self.records = True  # whether `Tick.executed` is to tell of the plans that come
        self._record = Record()
        self._recorded: deque[int] = deque(maxlen=2)  # of the plans at hand, by their request
        self._delay = DelayMeter()
        self._followed: tuple[Plan, int] | None = None  # a plan was, at this step of it
        self._begun = -1, -1  # the step that began last, and whose
        self.newest: Plan | None = None  # the plan accepted last, if it was not dropped since
        self._newest_id = -1
        self.epoch = 0

    # --- plans ---

    def accept(self, plan: Plan, now_ns: int) -> Plan:
        """Execute this plan from now on; PlanRefused leaves everything as it was.

        Returns it with the times at which it will be executed.
        """
        self._check(plan)
        if self._geometry:
            plan = admitted(plan, self._geometry)
        pinned = self._mode.pin(plan, now_ns) if isinstance(self._mode, OpenLoop) else plan
        if pinned.end_ns <= now_ns:
            late_ms = (now_ns - pinned.end_ns) / 1e6
            raise PlanTooLate(f"all of the plan lies in the past, it ended {late_ms:.1f} ms ago")
        self._delay.arrived(plan.start_ns)
        self._mode.accept(pinned, now_ns)
        self.newest = self._mode.newest
        self._newest_id = plan.request_id
        if self.records:
            self._recorded.append(plan.request_id)
        return pinned

    def clear(self) -> None:
        """Drop the plans; what to hold stays known."""
        self._mode.clear()
        self.newest = None
        self._delay.forget()

    def new_epoch(self) -> int:
        """Drop the plans, and refuse those of older epochs from now on. Returns the epoch."""
        self.clear()
        self.epoch += 1
        return self.epoch

    # --- what to publish ---

    def tick(self, now_ns: int, on_time: bool = True) -> Tick:
        """What to publish now. on_time: at a control tick, not between two of them."""
        due = self._mode.due(now_ns)
        if due is None:
            return self.stopped(now_ns, on_time)
        row, plan, step = due
        values = [channel.follow(row, now_ns, on_time) for channel in self._channels]
        self._followed = plan, step
        executed = None
        of, begun = self._begun
        if plan.request_id != of or step > begun:
            self._begun = plan.request_id, step
            self._delay.executed(plan.due_ns(step + 1))
            if plan.request_id in self._recorded:
                executed = self._record.note(plan, step, self._commanded(row, values))
            elif self._record.plan is not None:
                executed = self._record.take()
        return Tick(Source.PLAN, tuple(values), plan.request_id, plan.stamp_ns, step, executed)

    def stopped(self, now_ns: int, on_time: bool = True) -> Tick:
        """The declared fallback of every output, whatever the plans say."""
        if self._followed is None:
            return Tick(Source.WAITING, tuple(None for _ in self._channels))
        values = tuple(
            channel.fall_back(now_ns, on_time, *self._followed) for channel in self._channels
        )
        return Tick(Source.FALLBACK, values, executed=self._record.take())

    def rest(self) -> Tick:
        """The last word before silence: what the fallback leads to."""
        if self._followed is None:
            return Tick(Source.WAITING, tuple(None for _ in self._channels))
        return Tick(Source.FALLBACK, tuple(channel.rest() for channel in self._channels))

    @property
    def settling_ns(self) -> int:
        """How long after the last action of a plan the fallback still moves."""
        if self._followed is None:
            return 0
        return max((channel.settles_ns() for channel in self._channels), default=0)

    @property
    def held_back(self) -> tuple[int, ...]:
        """For each output, how often limits or step limits changed what a plan wanted."""
        return tuple(channel.held_back for channel in self._channels)

    # --- what is ahead ---

    def runway_ns(self, now_ns: int) -> int:
        """Time until the actions at hand run out, 0 when they have."""
        return self._mode.end_ns(now_ns) - now_ns

    def share_left(self, now_ns: int) -> float:
        """Part of the newest plan that is not executed yet, 0.0 without a plan."""
        if self.newest is None:
            return 0.0
        return max(0, self.newest.end_ns - now_ns) / self.newest.length_ns

    def left_over(self, observed_ns: int) -> tuple[np.ndarray, int] | None:
        """For the model, in rtc: what is left at an observation, and how much of it.

        The rows (H, D) float32 are due at the steps of the chunk that is asked for, as many of
        them as said; the others repeat the last one, since zeros would be a pose. None without
        any.
        """
        newest = self.newest
        if not isinstance(self._mode, Rtc) or newest is None:
            return None
        rows = self._mode.left_over(observed_ns, newest.period_ns)
        if rows is None:
            return None
        count = min(len(rows), newest.horizon)
        padded = np.pad(rows[:count], ((0, newest.horizon - count), (0, 0)), mode="edge")
        return padded.astype(np.float32), count

    @property
    def delay_steps(self) -> int:
        """The inference delay d to expect, in actions consumed."""
        return self._delay.steps

    def pending(self, now_ns: int) -> Plan | None:
        """What will be executed from now on if no other plan comes; limits applied, step limits
        not. None without a plan.
        """
        newest = self.newest
        end_ns = self._mode.end_ns(now_ns)
        if newest is None or end_ns <= now_ns:
            return None
        first = newest.step_at(now_ns)
        rows = []
        for step in range(first, newest.steps_until(end_ns)):
            due = self._mode.due(max(now_ns, newest.due_ns(step)))
            if due is not None:
                rows.append(self._commanded(due.row, self._limited(due.row)))
        start_ns = newest.due_ns(first)
        return replace(
            newest,
            actions=np.stack(rows),
            start_ns=start_ns,
            lease_ns=end_ns - start_ns,
            observed_ns=newest.stamp_ns,
        )

    # --- inside ---

    def _limited(self, row: np.ndarray) -> list[np.ndarray]:
        return [channel.limited(row[channel.columns]) for channel in self._channels]

    def _commanded(self, row: np.ndarray, values: list[np.ndarray]) -> np.ndarray:
        """The row (D,) with what the outputs made of it."""
        commanded = np.array(row, dtype=np.float64)
        for channel, value in zip(self._channels, values):
            commanded[channel.columns] = value
        return commanded

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
        if plan.period_ns <= 0 or (plan.lease_ns is not None and plan.lease_ns <= 0):
            raise PlanRefused("period and lease must be greater than 0")
        if plan.request_id == self._newest_id:
            raise PlanRefused("it came twice")
        if plan.request_id < self._newest_id:
            raise PlanRefused("it answers an older observation than the plan at hand")
