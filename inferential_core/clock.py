"""Clocks. They are passed in everywhere, so tests can check rules about time without waiting.

Two kinds: monotonic seconds decide things (deadlines, ages, leases); wall-clock nanoseconds are
stamps for people and logs, and nothing is ever computed from them.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the server, the schedulers and the client need to know about time."""

    def now(self) -> float:
        """Monotonic time, seconds."""

    def wall_ns(self) -> int:
        """Wall-clock time, nanoseconds since 1970."""


class SystemClock:
    """The machine's clocks."""

    now = staticmethod(time.monotonic)
    wall_ns = staticmethod(time.time_ns)


class FakeClock:
    """A clock that moves only when told to; for tests and simulations."""

    def __init__(self, start: float = 0.0, wall_ns: int = 0) -> None:
        self._now = start
        self._wall_ns = wall_ns

    def now(self) -> float:
        """Monotonic seconds, as set by `advance`."""
        return self._now

    def wall_ns(self) -> int:
        """Nanoseconds since 1970, as set by `advance`."""
        return self._wall_ns

    def advance(self, seconds: float) -> float:
        """Move both clocks forward by `seconds` (at least 0) and return the new monotonic time."""
        if seconds < 0:
            raise ValueError(f"monotonic time cannot go back by {-seconds} s")
        self._now += seconds
        self._wall_ns += round(seconds * 1e9)
        return self._now
