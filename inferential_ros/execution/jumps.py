"""Joint angles whose plans jump by more than half a turn: do they have no ends?

A column that is a plain number goes the long way round from 3.1 to -3.1 rad. Where a model means
the short one, its contract has to say so, and nothing but the jump tells.
"""

from __future__ import annotations

import numpy as np

from inferential_ros.execution.plan import Plan


class JumpWatch:
    """Finds the columns of plans that jump, each once.

    largest: of each column (D,) the largest step that is no jump, in the units of the actions.
    """

    def __init__(self, largest: np.ndarray) -> None:
        self._largest = largest
        self.watching = bool(np.isfinite(largest).any())

    def found(self, plan: Plan) -> list[tuple[int, float]]:
        """Columns that jump for the first time, with how far they do."""
        if plan.horizon < 2:
            return []
        steps = np.abs(np.diff(plan.actions, axis=0)).max(axis=0)
        columns = np.flatnonzero(steps > self._largest)
        if not columns.size:
            return []
        self._largest = np.where(steps > self._largest, np.inf, self._largest)
        self.watching = bool(np.isfinite(self._largest).any())
        return [(int(column), float(steps[column])) for column in columns]
