"""How often somebody does something, learned from when they did it."""

from __future__ import annotations

import math


class Cadence:
    """Exponential moving average of the interval between events.

    interval <- (1 - alpha) * interval + alpha * newest, seconds; the first interval is taken as
    it is. `expected` is read *before* the event at hand is counted in by whoever wants to know
    how late it was, and after it by whoever wants to know when the next one is due.
    """

    __slots__ = ("_alpha", "interval", "last")

    def __init__(self, alpha: float) -> None:
        self._alpha = alpha
        self.interval = math.nan  # s; NaN until two events were seen
        self.last = math.nan

    def event(self, now: float) -> None:
        newest = now - self.last
        if newest == newest:  # not the first one
            interval = self.interval
            if interval == interval:
                self.interval = interval + self._alpha * (newest - interval)
            else:
                self.interval = newest
        self.last = now

    def pause(self) -> None:
        """It stopped for a while: the time until the next event says nothing."""
        self.last = math.nan

    def forget_by(self, alpha: float) -> None:
        """Weigh the newest interval so from now on."""
        self._alpha = alpha

    def expected(self) -> float:
        """When the next event is due; inf while unknown."""
        due = self.last + self.interval
        return due if due == due else math.inf

    @property
    def rate(self) -> float:
        """Events per second; NaN while unknown."""
        return 1.0 / self.interval if self.interval > 0 else math.nan
