"""Computes a plan's values between two steps: linear, or the nearest step if discrete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from inferential_ros.execution.geometry import Group
from inferential_ros.execution.plan import Plan


class Sampling:
    """Reads rows (D,) off plans.

    discrete: columns in which values between two steps mean nothing, such as a gripper that is
    open or closed; they are never mixed. between: `row` interpolates too, instead of repeating a
    step until the next one is due.
    """

    def __init__(
        self, dimension: int, discrete: Sequence[int] = (), between: bool = False
    ) -> None:
        self._discrete = np.zeros(dimension, dtype=bool)
        self._discrete[list(discrete)] = True
        self._between = between

    def row(self, plan: Plan, now_ns: int) -> np.ndarray:
        """The row to execute now; the last step is kept for its whole period."""
        step = min(max(plan.step_at(now_ns), 0), plan.horizon - 1)
        here = plan.actions[step]
        passed_ns = now_ns - plan.due_ns(step)
        if not self._between or passed_ns <= 0 or step == plan.horizon - 1:
            return here
        share = passed_ns / plan.period_ns
        row = self.mix(here, plan.actions[step + 1], share)
        return self.pick(plan.actions[step + (share >= 0.5)], row)

    def rows(self, plan: Plan, times_ns: np.ndarray) -> np.ndarray:
        """Rows (n, D) of a plan at any n times, always interpolated, ends repeated.

        Two plans rarely count from the same instant: to compare them step by step one is read at
        the other's times.
        """
        position = np.clip((times_ns - plan.start_ns) / plan.period_ns, 0, plan.horizon - 1)
        below = np.floor(position).astype(np.intp)
        above = np.minimum(below + 1, plan.horizon - 1)
        share = (position - below)[:, None]
        here, there = plan.actions[below], plan.actions[above]
        return self.pick(np.where(share >= 0.5, there, here), self.mix(here, there, share))

    def mix(self, here: np.ndarray, there: np.ndarray, share: Any) -> np.ndarray:
        """What lies between rows (..., D), at a share of the way: a float or (..., 1)."""
        return here + share * (there - here)

    def mean(self, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The mean (D,) of rows (m, D), which are weighted (m,); the newest is the last."""
        return weights @ rows / weights.sum()

    def pick(self, discrete: np.ndarray, continuous: np.ndarray) -> np.ndarray:
        """Rows of `continuous` but in the discrete columns, which come from the other."""
        return np.where(self._discrete, discrete, continuous)


class GeometricSampling(Sampling):
    """Reads rows off plans of which some columns are angles without ends, or rotations."""

    def __init__(
        self,
        dimension: int,
        discrete: Sequence[int],
        between: bool,
        groups: Sequence[Group],
    ) -> None:
        super().__init__(dimension, discrete, between)
        self._groups = groups

    def mix(self, here: np.ndarray, there: np.ndarray, share: Any) -> np.ndarray:
        mixed = here + share * (there - here)
        for group in self._groups:
            group.mix(mixed, here, there, share)
        return mixed

    def mean(self, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        mean = super().mean(rows, weights)
        for group in self._groups:
            mean[group.at] = group.mean(rows, weights)
        return mean
