"""A wall clock that is set, for one process: the machine's own belongs to everybody.

Whatever Python reads it by is shifted: `time`, `inferential_core.SystemClock`, and the clocks of
rclpy nodes. The monotonic clock stays, as it does where somebody sets the time. What C libraries
read for themselves (DDS, log files) is not shifted.
"""

from __future__ import annotations

import sys
import time

_time, _time_ns = time.time, time.time_ns
_offset_ns = 0


def shift(offset_s: float) -> None:
    """From now on the wall clock is so much ahead of the machine's."""
    global _offset_ns
    _offset_ns = round(offset_s * 1e9)


def install() -> None:
    """Have everything in this process read the clock of here."""
    from inferential_core.clock import SystemClock

    time.time = lambda: _time() + _offset_ns / 1e9
    time.time_ns = lambda: _time_ns() + _offset_ns
    SystemClock.wall_ns = staticmethod(lambda: _time_ns() + _offset_ns)  # type: ignore
    if "rclpy" in sys.modules:
        _install_ros()


def _install_ros() -> None:
    from rclpy.clock import Clock, ROSClock
    from rclpy.duration import Duration

    now = Clock.now

    def shifted(self: ROSClock):
        return now(self) + Duration(nanoseconds=_offset_ns)

    ROSClock.now = shifted
