"""User callbacks on metrics: on a thread of their own, so that none can stall the server."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from .store import Labels

Callback = Callable[[str, float, Labels], object]

_log = logging.getLogger(__name__)


class CallbackRunner:
    """Calls `callback(name, value, labels)` for each published measurement, in order.

    A slow callback loses measurements (counted in `lost`), a raising one is logged once for each
    kind of error; neither is felt by the server. The thread starts with the first callback.
    """

    BACKLOG = 10_000

    def __init__(self) -> None:
        self.lost = 0
        self._callbacks: list[Callback] = []
        self._queue: queue.Queue[tuple[str, float, Labels] | None] = queue.Queue(self.BACKLOG)
        self._thread: threading.Thread | None = None
        self._complained: set[tuple[str, str]] = set()

    def add(self, callback: Callback) -> None:
        self._callbacks.append(callback)
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="inferential-metric-callbacks", daemon=True
            )
            self._thread.start()

    def publish(self, name: str, value: float, labels: Labels) -> None:
        if not self._callbacks:
            return
        try:
            self._queue.put_nowait((name, value, labels))
        except queue.Full:
            self.lost += 1

    def close(self, timeout: float = 1.0) -> None:
        """Let the callbacks finish what is published, but no longer than `timeout` seconds."""
        if self._thread is None:
            return
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            return  # a hanging callback: the thread is a daemon and dies with the process
        self._thread.join(timeout)
        self._thread = None

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            for callback in self._callbacks:
                try:
                    callback(*item)
                except Exception as error:
                    self._complain(callback, error)

    def _complain(self, callback: Callback, error: Exception) -> None:
        kind = (repr(callback), type(error).__name__)
        if kind not in self._complained:
            self._complained.add(kind)
            _log.exception("metric callback %r raised; further ones are not logged", callback)
