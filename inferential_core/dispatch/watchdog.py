"""Notices calls that take too long, on one thread that sleeps until one could."""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import Protocol

_log = logging.getLogger(__name__)


class Watched(Protocol):
    """Something that may take too long. `due` is written by whoever works, without a lock."""

    due: float  # monotonic s; inf while it does nothing

    def overdue(self) -> None:
        """It is past its due time. Called on the watchdog's thread; must not block."""


_GOES_ON_S = 1.0  # after work was due, in which more is expected
_SHORTEST_S = 10e-3  # between two looks at nothing


class Watchdog:
    """Calls `overdue` of what is.

    While there is work it wakes about once in a timeout, not once a call; when idle, never.
    """

    def __init__(self) -> None:
        self._watched: list[Watched] = []
        self._changed = threading.Condition()
        self._sleeps_until = math.inf
        self._latest = -math.inf  # due time of what began last
        self._closed = False
        self._thread: threading.Thread | None = None

    def watch(self, watched: Watched) -> None:
        """Call `overdue` of this one whenever its `due` has passed."""
        with self._changed:
            self._watched.append(watched)
            if self._thread is None:
                self._closed = False
                self._thread = threading.Thread(
                    target=self._run, name="inferential-watchdog", daemon=True
                )
                self._thread.start()

    def unwatch(self, watched: Watched) -> None:
        """Watch it no longer; nothing happens if nobody did."""
        with self._changed:
            if watched in self._watched:
                self._watched.remove(watched)

    def began(self, due: float) -> None:
        """Something will be overdue then. Call it after `due` is written."""
        if due < math.inf:
            self._latest = due
        if due < self._sleeps_until:
            with self._changed:
                self._changed.notify()

    def close(self) -> None:
        """Watch nothing any more."""
        with self._changed:
            self._closed = True
            self._watched.clear()
            self._changed.notify()
            thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                # Before the due times are read: what begins from now on wakes this thread.
                self._sleeps_until = math.inf
                now = time.monotonic()
                late = [each for each in self._watched if each.due <= now]
                if not late:
                    until = min((each.due for each in self._watched), default=math.inf)
                    if until == math.inf:
                        until = self._expected(now)
                    self._sleeps_until = until
                    self._changed.wait(None if until == math.inf else until - now)
            for each in late:
                try:
                    each.overdue()
                except Exception:
                    _log.exception("the time limit of %r could not be enforced", each)

    def _expected(self, now: float) -> float:
        """When to look again although nothing is at work, so that beginning need not wake."""
        passed = now - self._latest
        if passed > _GOES_ON_S:
            return math.inf
        return max(self._latest, now + max(_SHORTEST_S, passed))
