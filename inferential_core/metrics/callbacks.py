"""User callbacks on metrics: on a thread of their own, so that none can stall the server."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from .labels import Labels

Callback = Callable[[str, float, Labels], object]
_Queue = queue.Queue[tuple[str, float, Labels] | None]

_log = logging.getLogger(__name__)


class CallbackRunner:
    """Calls `callback(name, value, labels)` for each published measurement, in order.

    A slow callback loses measurements (counted in `lost`), a raising one is logged once for each
    kind of error; neither is felt by the server. The thread starts with the first measurement.
    """

    BACKLOG = 10_000

    def __init__(self) -> None:
        self.lost = 0
        self._callbacks: list[Callback] = []
        self._queue = _Queue(self.BACKLOG)
        self._thread: threading.Thread | None = None
        self._complained: set[tuple[str, str]] = set()

    def add(self, callback: Callback) -> None:
        """From any thread."""
        self._callbacks.append(callback)

    def publish(self, name: str, value: float, labels: Labels) -> None:
        """From one thread, the server's."""
        if not self._callbacks:
            return
        if self._thread is None:
            self._start()
        try:
            self._queue.put_nowait((name, value, labels))
        except queue.Full:
            self.lost += 1

    def close(self, timeout: float = 1.0) -> None:
        """Let the callbacks finish what is published, but no longer than `timeout` seconds.

        What is published later starts again.
        """
        thread, self._thread = self._thread, None
        if thread is None:
            return
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:  # a hanging callback: give up what waits, to tell the thread to end
            with self._queue.mutex:
                self.lost += len(self._queue.queue)
                self._queue.queue.clear()
            self._queue.put(None)
            return
        if thread is not threading.current_thread():  # a callback may stop the server
            thread.join(timeout)

    def _start(self) -> None:
        # A new queue: a thread that hung when it was closed goes on with the old one.
        self._queue = _Queue(self.BACKLOG)
        self._thread = threading.Thread(
            target=self._run,
            args=(self._queue,),
            name="inferential-metric-callbacks",
            daemon=True,
        )
        self._thread.start()

    def _run(self, measurements: _Queue) -> None:
        while (item := measurements.get()) is not None:
            name, value, labels = item
            for callback in self._callbacks:
                try:
                    callback(name, value, dict(labels))  # its own: it may change them
                except BaseException as error:  # SystemExit would end the thread for all
                    self._complain(callback, error)

    def _complain(self, callback: Callback, error: BaseException) -> None:
        kind = (repr(callback), type(error).__name__)
        if kind not in self._complained:
            self._complained.add(kind)
            _log.exception("metric callback %r raised; further ones are not logged", callback)
