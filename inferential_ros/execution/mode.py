"""A way to execute chunks answers one question: what is due at a moment?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from inferential_ros.execution.plan import Plan


class Due(NamedTuple):
    """What a moment's actions are (D,), and the plan and the step they count as."""

    row: np.ndarray
    plan: Plan
    step: int


class Mode(ABC):
    """Holds plans, which are checked; knows nothing of outputs."""

    open_loop = False

    def pin(self, plan: Plan, now_ns: int) -> Plan:
        """The plan with the times at which it would be executed; PlanRefused if it may not be."""
        return plan

    @abstractmethod
    def accept(self, plan: Plan, now_ns: int) -> None:
        """Execute a pinned plan that is not over yet."""

    @abstractmethod
    def due(self, at_ns: int) -> Due | None:
        """What to execute at a time, now or later; None without a valid action."""

    @property
    @abstractmethod
    def newest(self) -> Plan | None:
        """The plan accepted last, as long as it is kept."""

    @abstractmethod
    def end_ns(self, now_ns: int) -> int:
        """Until when there are actions without a gap; `now` where there is none."""

    @abstractmethod
    def clear(self) -> None:
        """Drop all plans."""
