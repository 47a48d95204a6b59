"""temporal_ensemble: averages all chunks that cover a moment."""

from __future__ import annotations

import numpy as np

from inferential_ros.execution.mode import Due, Mode
from inferential_ros.execution.plan import Plan, Sampling


class TemporalEnsemble(Mode):
    """Averages all plans at a moment with weights w_i = exp(-m * i), i = 0 the oldest of them
    (Zhao et al., Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware, arXiv
    2304.13705, algorithm 2; m = 0.01 there). Wrong for policies that may choose between different
    ways to do a thing, as the mean of two ways is none. Discrete columns are the newest plan's.
    """

    def __init__(self, sampling: Sampling, m: float = 0.01) -> None:
        self._sampling = sampling
        self._m = m
        self._plans: list[Plan] = []  # oldest first

    def accept(self, plan: Plan, now_ns: int) -> None:
        self._plans = [p for p in self._plans if p.end_ns > now_ns] + [plan]
        self.newest = plan

    def due(self, at_ns: int) -> Due | None:
        plans = [plan for plan in self._plans if plan.covers(at_ns)]
        if not plans:
            return None
        steps = [plan.step_at(at_ns) for plan in plans]
        rows = [self._sampling.row(plan, step, at_ns) for plan, step in zip(plans, steps)]
        weights = np.exp(-self._m * np.arange(len(plans)))
        mean = self._sampling.mean(np.stack(rows), weights)
        return Due(self._sampling.pick(rows[-1], mean), plans[-1], steps[-1])

    def end_ns(self, now_ns: int) -> int:
        end_ns = now_ns
        for plan in sorted(self._plans, key=lambda plan: plan.start_ns):
            if plan.start_ns <= end_ns:
                end_ns = max(end_ns, plan.end_ns)
        return end_ns

    def clear(self) -> None:
        self._plans = []
        self.newest = None
