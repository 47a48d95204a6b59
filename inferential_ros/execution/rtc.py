"""rtc: the model is told what is left to execute, and its chunk takes over between two steps."""

from __future__ import annotations

import numpy as np

from inferential_ros.execution.mode import Queue
from inferential_ros.execution.plan import Plan


class Rtc(Queue):
    """Real-time chunking (Black, Galliker, Levine: Real-Time Execution of Action Chunking Flow
    Policies, arXiv 2506.07339, algorithm 1): the first d steps of a new chunk belong to the time
    in which it was computed, and the chunk at hand is executed in their place. So the new one
    takes over with its step d = ceil((arrival - observation) / period), on the dot.
    """

    def accept(self, plan: Plan, now_ns: int) -> None:
        old = self._at(now_ns)
        super().accept(plan, now_ns)
        boundary_ns = plan.due_ns(plan.steps_until(now_ns))
        if old is not None and old.covers(now_ns) and now_ns < boundary_ns < plan.end_ns:
            from_ns = min(boundary_ns, old.end_ns)
            self._plan, self._next_from_ns = old, max(plan.start_ns, from_ns)

    def left_over(self, from_ns: int, period_ns: int) -> np.ndarray | None:
        """Steps (n, D) at hand from a time on, n < H, as the model gave them; None without any."""
        plan = self.newest
        if plan is None or not plan.covers(from_ns):
            return None
        times_ns = np.arange(from_ns, plan.end_ns, period_ns, dtype=np.int64)
        return self._sampling.rows(plan, times_ns)
