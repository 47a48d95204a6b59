"""Decides when a child process that ended is started again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Restarts:
    """At once, then ever later while it keeps ending."""

    first_s: float = 0.0
    then_s: float = 0.25
    factor: float = 2.0
    most_s: float = 30.0
    calm_s: float = 10.0  # a child that lived so long begins anew

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many ends in a row, the first being 0."""
        if failures == 0:
            return self.first_s
        return min(self.most_s, self.then_s * self.factor ** min(failures - 1, 64))
