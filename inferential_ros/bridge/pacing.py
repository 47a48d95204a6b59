"""The control thread: ticks pinned to absolute times of the node's clock.

A late tick shifts none after it, and ticks that were missed are not made up for. Clock.sleep_until
is not used: it adds a shutdown callback to the context at every call and cannot be interrupted,
which a deactivation during a paused simulation must be able to do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from rclpy.clock import JumpThreshold, ROSClock
from rclpy.duration import Duration


class ControlLoop:
    """Calls tick() every period, and went_back() when the clock was set back."""

    def __init__(
        self,
        clock: ROSClock,
        now_ns: Callable[[], int],
        period_ns: int,
        tick: Callable[[], None],
        went_back: Callable[[], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._clock = clock
        self._now_ns = now_ns
        self._period_ns = period_ns
        self._tick = tick
        self._went_back = went_back
        self._on_failure = on_failure
        self._stopping = False
        # Released when the simulated clock moved or stop was asked for. A lock, since an Event
        # makes one for every wait, which is a good part of what an idle tick costs.
        self._moved = threading.Lock()
        self._moved.acquire()
        self._thread = threading.Thread(target=self._run, name="bridge-control", daemon=True)
        nanosecond = Duration(nanoseconds=1)
        self._jumps = clock.create_jump_callback(
            JumpThreshold(min_forward=nanosecond, min_backward=Duration(nanoseconds=-1)),
            post_callback=lambda jump: self._wake(),
        )

    def start(self) -> None:
        """Start the thread of the control loop."""
        self._thread.start()

    @property
    def thread_id(self) -> int:
        """The system's number of the thread that ticks, once it is started."""
        return self._thread.native_id or 0

    def stop(self) -> None:
        """Returns when no tick will come any more. Idempotent."""
        self._stopping = True
        self._wake()
        if self._thread.is_alive():
            self._thread.join()
        self._jumps.unregister()

    def _wake(self) -> None:
        with suppress(RuntimeError):  # it was released already
            self._moved.release()

    def _run(self) -> None:
        due_ns = self._now_ns()
        while not self._stopping:
            now_ns = self._now_ns()
            left_ns = due_ns - now_ns
            if left_ns > 2 * self._period_ns:
                self._went_back()
                due_ns = now_ns
            elif left_ns > 0:
                simulated = self._clock.ros_time_is_active
                self._moved.acquire(timeout=-1 if simulated else left_ns / 1e9)
            else:
                due_ns += (-left_ns // self._period_ns + 1) * self._period_ns
                try:
                    self._tick()
                except BaseException as error:  # one failed tick must not end all of them
                    self._on_failure(error)
