"""The robot's clock while a recording is replayed."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A clock that a recording sets going. Times in ns, as the robot's clock had them."""

    def begin(self, start_ns: int) -> None:
        """An episode starts now, at this time; it may lie before what the clock showed."""

    def now_ns(self) -> int:
        """The time of the robot."""

    def steady_s(self) -> float:
        """The time in seconds that has passed for the robot; it never goes back."""

    def sleep_until(self, time_ns: int) -> None:
        """Return once it is that time."""


class PacedClock(Clock):
    """Runs on from the start of the recording, at a speed."""

    def __init__(self, speed: float) -> None:
        self._start_ns = 0
        self._speed = speed
        self._began_s = self._made_s = time.monotonic()

    def begin(self, start_ns: int) -> None:
        self._start_ns = start_ns
        self._began_s = time.monotonic()

    def now_ns(self) -> int:
        return self._start_ns + round((time.monotonic() - self._began_s) * self._speed * 1e9)

    def steady_s(self) -> float:
        return (time.monotonic() - self._made_s) * self._speed

    def sleep_until(self, time_ns: int) -> None:
        left_s = (time_ns - self._start_ns) / 1e9 / self._speed + self._began_s - time.monotonic()
        if left_s > 0:
            time.sleep(left_s)


class SteppedClock(Clock):
    """Stands still between the moments it is set to.

    What a robot waits for after a failure never passes on such a clock, so it counts as over at
    once: `steady_s` is later by more than any such pause each time it is read.
    """

    PAUSE_S = 60.0

    def __init__(self) -> None:
        self._now_ns = 0
        self._steady_s = 0.0

    def begin(self, start_ns: int) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        return self._now_ns

    def steady_s(self) -> float:
        self._steady_s += self.PAUSE_S
        return self._steady_s

    def sleep_until(self, time_ns: int) -> None:
        self._now_ns = max(self._now_ns, time_ns)
