"""SIGINT and SIGTERM of a node's process: they end its spinning, and a user's code on demand."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rclpy.guard_condition import GuardCondition
from rclpy.node import Node

from inferential_core.process.launcher import ignore_stop_signals

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Whether a signal came; made in the main thread.

    Python runs its handlers on the main thread, which sleeps in the executor and does not notice;
    so a thread waits for the byte that the interpreter writes at once and triggers a callback.
    Executor.wake would not do: spin_once goes back to sleep where no callback is ready.
    """

    def __init__(self) -> None:
        self.asked = False
        self._interrupts = False
        self._guard: GuardCondition | None = None
        self._bell, written = socket.socketpair()
        written.setblocking(False)
        self._written = written
        self._previous_fd = signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
        self._previous = {n: signal.signal(n, self._ask) for n in SIGNALS}
        self._thread = threading.Thread(target=self._wait, name="signals", daemon=True)
        self._thread.start()

    def wake(self, node: Node) -> None:
        """From now on a signal wakes this node's executor."""
        self._guard = node.create_guard_condition(lambda: None)

    def close(self) -> None:
        """Handle signals as before; where one came, ignore further ones, since the node ends."""
        self._guard = None
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self.asked:
            ignore_stop_signals()
        signal.set_wakeup_fd(self._previous_fd)
        self._written.close()
        self._thread.join()
        self._bell.close()

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """While this holds, the first signal raises KeyboardInterrupt in the main thread."""
        self._interrupts = True
        try:
            if self.asked:
                raise KeyboardInterrupt
            yield
        finally:
            self._interrupts = False

    def _ask(self, number: int, frame: Any) -> None:
        first, self.asked = not self.asked, True
        if first and self._interrupts:
            raise KeyboardInterrupt

    def _wait(self) -> None:
        while self._bell.recv(1):
            guard = self._guard
            if guard is not None:
                guard.trigger()
