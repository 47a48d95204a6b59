"""What was really executed: the published rows of each plan, and how many steps were executed
while a chunk was on its way.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace

import numpy as np

from inferential_ros.execution.plan import Plan


class Record:
    """Collects what was published of one plan after the other: mixed, limited, and only the steps
    that were reached.
    """

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self._first = 0
        self._rows: list[np.ndarray] = []

    def note(self, plan: Plan, step: int, row: np.ndarray) -> Plan | None:
        """A step began to be executed. Returns what was executed of another plan before it."""
        ended = None
        if self.plan is None or plan.request_id != self.plan.request_id:
            ended = self.take()
            self.plan, self._first = plan, step
        while self._first + len(self._rows) < step:  # a stalled loop: the values before stayed
            self._rows.append(self._rows[-1])
        self._rows.append(row)
        return ended

    def take(self) -> Plan | None:
        """What was executed so far of the plan at hand, which ends it; None if nothing was."""
        plan, rows = self.plan, self._rows
        self.plan, self._rows = None, []
        if plan is None:
            return None
        return replace(
            plan,
            actions=np.stack(rows),
            start_ns=plan.due_ns(self._first),
            lease_ns=None,
            observed_ns=plan.stamp_ns,
        )


WINDOW = 50  # newest chunks: a percentile of now; a maximum of always would never forget a stall
SHARE = 0.95


class DelayMeter:
    """Counts the steps executed while each chunk was on its way: the inference delay d of
    real-time chunking, in actions consumed.

    It is not the latency in steps: while a robot has nothing to execute it consumes nothing, and a
    chunk that comes then needs no more of its steps skipped in the eyes of the model.
    """

    def __init__(self, window: int = WINDOW) -> None:
        executed: deque[int] = deque(maxlen=4096)  # until when each newest step is valid
        self._executed = executed
        self.executed = executed.append  # a step began to be executed that is valid until then
        self._delays: deque[int] = deque(maxlen=window)
        self._warm = False

    def arrived(self, observed_ns: int) -> None:
        """The chunk of that observation came now. The first one is not counted: a model's first
        call also loads and compiles.
        """
        consumed = 0
        for until_ns in reversed(self._executed):
            if until_ns <= observed_ns:
                break
            consumed += 1
        if self._warm:
            self._delays.append(consumed)
        self._warm = True

    def forget(self) -> None:
        """No chunk is on its way any more, and the clock may be another one."""
        self._executed.clear()

    @property
    def steps(self) -> int:
        """95th percentile of the newest chunks, rounded up; 1 while nothing is known."""
        if not self._delays:
            return 1
        return sorted(self._delays)[math.ceil(SHARE * (len(self._delays) - 1))]
