"""A plan: the chunk of future actions one observation was answered with, pinned to times."""

from __future__ import annotations

from dataclasses import dataclass, field

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
