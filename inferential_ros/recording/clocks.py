"""The robot's time while a recording is replayed."""

from __future__ import annotations

import time


class PacedClock:
    """Runs on from the start of the recording, at a speed."""

    def __init__(self, start_ns: int, speed: float) -> None:
        self._start_ns = start_ns
        self._speed = speed
        self._began_s = time.monotonic()

    def begin(self) -> None:
        """The recording starts now."""
        self._began_s = time.monotonic()

    def now_ns(self) -> int:
        return self._start_ns + round((time.monotonic() - self._began_s) * self._speed * 1e9)

    def sleep_until(self, time_ns: int) -> None:
        left_s = (time_ns - self._start_ns) / 1e9 / self._speed + self._began_s - time.monotonic()
        if left_s > 0:
            time.sleep(left_s)


class SteppedClock:
    """Stands still between the moments it is set to."""

    def __init__(self, start_ns: int) -> None:
        self._now_ns = start_ns

    def begin(self) -> None:
        """It needs none."""

    def now_ns(self) -> int:
        return self._now_ns

    def sleep_until(self, time_ns: int) -> None:
        """It is that time now."""
        self._now_ns = max(self._now_ns, time_ns)
