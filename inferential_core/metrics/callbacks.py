"""Calls users' callbacks on a thread of their own, so that none can stall the server."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable

from ..errors import touchable
from ..process.users_code import Foreign, shown
from .table import Labels

Callback = Foreign[Callable[[str, float, Labels], object]]
_Measurement = tuple[str, float, Labels]

_GATHER_S = 0.01  # measurements wait for each other so long: the thread is woken for many

_log = logging.getLogger(__name__)


class CallbackRunner:
    """Calls `callback(name, value, labels)` for each published measurement, in order.

    A slow callback loses measurements (counted in `lost`), a raising one is logged once for each
    kind of error; neither is felt by the server. The thread starts with the first measurement.
    """

    BACKLOG = 10_000

    def __init__(self) -> None:
        self.lost = 0
        self._callbacks: list[Foreign[Callback]] = []
        self._run: _Run | None = None
        self._beginning = threading.Lock()
        self._complained: set[tuple[str, str]] = set()

    def add(self, callback: Callback) -> None:
        """From any thread."""
        self._callbacks.append(callback)

    def publish(self, name: str, value: float, labels: Labels) -> None:
        """From any thread."""
        if not self._callbacks:
            return
        run = self._run or self._begun()
        if len(run.waiting) >= self.BACKLOG:
            self.lost += 1
            return
        run.waiting.append((name, value, labels))
        if run.asleep:
            run.asleep = False
            run.wake_up.set()

    def _begun(self) -> _Run:
        # A new one: one that hung when it was closed goes on with what was its own.
        with self._beginning:
            run = self._run = self._run or _Run(self._call)
            return run

    def close(self, timeout: float = 1.0) -> None:
        """Let the callbacks finish what is published, but no longer than `timeout` seconds.

        What is published later starts again.
        """
        run, self._run = self._run, None
        if run is None:
            return
        run.closing.set()
        run.wake_up.set()
        if run.thread is threading.current_thread():  # a callback may stop the server
            return
        run.thread.join(timeout)
        if run.thread.is_alive():  # a hanging callback: give up what waits
            self.lost += len(run.waiting)
            run.waiting.clear()

    def _call(self, name: str, value: float, labels: Labels) -> None:
        for callback in self._callbacks:
            try:
                callback(name, value, dict(labels))  # its own: it may change them
            except BaseException as error:  # SystemExit would end the thread for all
                self._complain(callback, error)

    def _complain(self, callback: Callback, error: BaseException) -> None:
        kind = (shown(callback), type(error).__name__)
        if kind not in self._complained:
            self._complained.add(kind)
            told = "metric callback %s raised; further ones are not logged"
            _log.error(told, kind[0], exc_info=touchable(error))


class _Run:
    """What waits, and the thread that works it off; from the first measurement until closed."""

    def __init__(self, call: Callable[[str, float, Labels], None]) -> None:
        self.waiting: deque[_Measurement] = deque()
        self.wake_up = threading.Event()
        self.closing = threading.Event()
        self.asleep = False  # and has to be woken for what comes
        self._call = call
        self.thread = threading.Thread(
            target=self._work, name="inferential-metric-callbacks", daemon=True
        )
        self.thread.start()

    def _work(self) -> None:
        while True:
            while self.waiting:
                with contextlib.suppress(IndexError):  # given up meanwhile
                    self._call(*self.waiting.popleft())
            if self.closing.is_set():
                return
            self.asleep = True
            if not self.waiting:  # none came before it could know that we sleep
                self.wake_up.wait()
                self.wake_up.clear()
                self.closing.wait(_GATHER_S)
            self.asleep = False
