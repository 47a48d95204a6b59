"""A plan: the chunk of future actions one observation was answered with, pinned to times; and what
it says between two of its steps: linear, or the nearest step if discrete.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class PlanRefused(Exception):
    """A plan that will not be executed; the text says why."""


class PlanTooLate(PlanRefused):
    """A plan whose every step had passed when it came."""


@dataclass(frozen=True)
class Plan:
    """Actions (H, D); step k is due at start + k * period and valid until the next one is.

    Times are nanoseconds of the robot's clock, which keep their precision at today's date where
    floating-point seconds would not. The lease counts from the start; None: as long as the plan.
    """

    actions: np.ndarray
    start_ns: int
    period_ns: int
    lease_ns: int | None = None
    epoch: int = 0
    request_id: int = 0
    model_version: str = ""
    observed_ns: int | None = None  # when what it answers was observed; None: at the start

    stamp_ns: int = field(init=False)  # when the observation was made that it answers
    horizon: int = field(init=False)  # H
    length_ns: int = field(init=False)  # of all steps
    end_ns: int = field(init=False)  # from then on nothing of it may be published: steps or lease

    def __post_init__(self) -> None:
        horizon = self.actions.shape[0] if self.actions.ndim else 0  # an executor refuses these
        length_ns = horizon * self.period_ns
        lasts_ns = length_ns if self.lease_ns is None else min(length_ns, self.lease_ns)
        vars(self).update(
            stamp_ns=self.start_ns if self.observed_ns is None else self.observed_ns,
            horizon=horizon,
            length_ns=length_ns,
            end_ns=self.start_ns + lasts_ns,
        )

    def covers(self, now_ns: int) -> bool:
        """Whether a time (nanoseconds) lies within the plan."""
        return self.start_ns <= now_ns < self.end_ns

    def step_at(self, now_ns: int) -> int:
        """Index of the step that is due; negative before the first, H or more after the last."""
        return (now_ns - self.start_ns) // self.period_ns

    def due_ns(self, step: int) -> int:
        """When a step is due."""
        return self.start_ns + step * self.period_ns

    def steps_until(self, now_ns: int) -> int:
        """How many steps have begun, or are due, before `now`: 0 at the start, rounded up."""
        return -((self.start_ns - now_ns) // self.period_ns)


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

    def row(self, plan: Plan, step: int, at_ns: int) -> np.ndarray:
        """The row to execute at a time within a step; the last one stays for its whole period."""
        here = plan.actions[step]
        if not self._between or step == plan.horizon - 1:
            return here
        share = (at_ns - plan.due_ns(step)) / plan.period_ns
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
