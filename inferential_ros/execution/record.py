"""What was really published of a plan: mixed, limited and only the steps that were reached."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from inferential_ros.execution.plan import Plan


class Record:
    """Collects the steps of one plan after the other."""

    def __init__(self) -> None:
        self._plan: Plan | None = None
        self._first = 0
        self._rows: list[np.ndarray | None] = []

    def begins(self, plan: Plan, step: int) -> bool:
        """Whether this step was not noted yet."""
        same = self._plan is not None and plan.request_id == self._plan.request_id
        return not same or step >= self._first + len(self._rows)

    def note(self, plan: Plan, step: int, row: np.ndarray | None) -> Plan | None:
        """A step began to be executed. Returns what was executed of another plan before it.

        row: None where nobody asks what was executed; of a plan with such a step nothing is told.
        """
        ended = None
        if self._plan is None or plan.request_id != self._plan.request_id:
            ended = self.take()
            self._plan, self._first = plan, step
        while self._first + len(self._rows) < step:  # a stalled loop: the values before stayed
            self._rows.append(self._rows[-1])
        self._rows.append(row)
        return ended

    def take(self) -> Plan | None:
        """What was executed so far of the plan at hand, which ends it; None if nothing was."""
        plan, rows = self._plan, [row for row in self._rows if row is not None]
        whole = len(rows) == len(self._rows)
        self._plan, self._rows = None, []
        if plan is None or not rows or not whole:
            return None
        return replace(
            plan,
            actions=np.stack(rows),
            start_ns=plan.due_ns(self._first),
            lease_ns=None,
            observed_ns=plan.stamp_ns,
        )
