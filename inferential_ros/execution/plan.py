"""A plan: the chunk of future actions one observation was answered with, pinned to times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Plan:
    """Actions (H, D); step k is due at start + k * period and valid until the next one is.

    Times are nanoseconds of the robot's clock, which keep their precision at today's date where
    floating-point seconds would not.
    """

    actions: np.ndarray
    start_ns: int
    period_ns: int
    lease_ns: int
    epoch: int = 0
    request_id: int = 0

    @property
    def horizon(self) -> int:
        return int(self.actions.shape[0])

    @property
    def end_ns(self) -> int:
        """From here on nothing of it may be published: steps used up or lease over."""
        return self.start_ns + min(self.horizon * self.period_ns, self.lease_ns)

    def step_at(self, now_ns: int) -> int:
        """Index of the step that is due; negative before the first, H or more after the last."""
        return (now_ns - self.start_ns) // self.period_ns
