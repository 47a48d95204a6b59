"""The interface of a way to execute chunks: it says what is due at a moment.

The plainest one, a queue of plans, stands here too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from inferential_ros.execution.overlap import merge
from inferential_ros.execution.plan import Plan, Sampling


class Due(NamedTuple):
    """What a moment's actions are (D,), and the plan and the step they count as."""

    row: np.ndarray
    plan: Plan
    step: int


class Mode(ABC):
    """Holds plans, which are checked; knows nothing of outputs."""

    newest: Plan | None = None  # the plan accepted last, as long as it is kept

    @abstractmethod
    def accept(self, plan: Plan, now_ns: int) -> None:
        """Execute a pinned plan that is not over yet."""

    @abstractmethod
    def due(self, at_ns: int) -> Due | None:
        """What to execute at a time, now or later; None without a valid action."""

    @abstractmethod
    def end_ns(self, now_ns: int) -> int:
        """Until when there are actions without a gap; `now` where there is none."""

    @abstractmethod
    def clear(self) -> None:
        """Drop all plans."""


class Queue(Mode):
    """A new chunk takes the place of the one at hand, or is mixed with it.

    There is one plan at hand, and at most one whose turn comes later: the newest.

    share_of_old: 0.0 replaces the plan at hand, more mixes with it (see overlap).
    """

    def __init__(self, sampling: Sampling, share_of_old: float = 0.0) -> None:
        self._sampling = sampling
        self._share_of_old = share_of_old
        self._plan: Plan | None = None
        self._next_from_ns = 0  # from then on it is the next one's turn

    def accept(self, plan: Plan, now_ns: int) -> None:
        old = self._at(now_ns)
        from_ns = max(plan.start_ns, now_ns)
        if old is not None and self._share_of_old > 0.0:
            plan = merge(old, plan, self._share_of_old, self._sampling)
        self._plan = plan if from_ns <= now_ns else old  # what was replaced never comes again
        self.newest, self._next_from_ns = plan, from_ns

    def due(self, at_ns: int) -> Due | None:
        plan = self._at(at_ns)
        if plan is None or not plan.covers(at_ns):
            return None
        step = plan.step_at(at_ns)
        return Due(self._sampling.row(plan, step, at_ns), plan, step)

    def end_ns(self, now_ns: int) -> int:
        end_ns = now_ns
        plan = self._at(now_ns)
        if plan is not None and plan.covers(now_ns):
            end_ns = plan.end_ns
        if self.newest is not None and now_ns < self._next_from_ns <= end_ns:
            end_ns = self.newest.end_ns
        return end_ns

    def clear(self) -> None:
        self._plan = self.newest = None

    def _at(self, at_ns: int) -> Plan | None:
        """The plan whose turn it is, over or not."""
        return self.newest if at_ns >= self._next_from_ns else self._plan
