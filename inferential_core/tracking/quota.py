"""Limits how much somebody sends: a rate on average, and a second's worth at once."""

from __future__ import annotations

import math


class TokenBucket:
    """Time is handed in, monotonic seconds."""

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s
        self._level = per_s
        self._at = 0.0

    def spend(self, amount: float, now: float) -> bool:
        """Whether there is any left; then `amount` is spent, be it more than there is.

        So what is larger than the whole bucket passes too, and is paid for by waiting.
        """
        self._level = min(self.per_s, self._level + self.per_s * (now - self._at))
        self._at = now
        if self._level <= 0.0:
            return False
        self._level -= amount
        return True


class NoLimit(TokenBucket):
    """There is always some left."""

    def __init__(self) -> None:
        super().__init__(math.inf)

    def spend(self, amount: float, now: float) -> bool:
        """Whether there is any left: always."""
        return True


class Quota:
    """Observations and bytes a second; None: as many as it likes."""

    def __init__(self, rate_hz: float | None, bytes_per_s: float | None) -> None:
        self.limits = (rate_hz, bytes_per_s)
        self._rate = NoLimit() if rate_hz is None else TokenBucket(rate_hz)
        self._volume = NoLimit() if bytes_per_s is None else TokenBucket(bytes_per_s)

    def exceeded(self, size: int, now: float) -> str:
        """Charge an observation of so many bytes; the limit it is beyond, in words, or ''."""
        if not self._rate.spend(1.0, now):
            return f"{self._rate.per_s:g} observations a second"
        if not self._volume.spend(size, now):
            return f"{self._volume.per_s:g} bytes a second"
        return ""
