"""The server's own time limit for its driver, which normally ends slow calls by itself.

A driver that hangs (in a call of Ray's that blocks, or because it was stopped) ends nothing, and
its robots would wait for ever. Watched from the server's process, such a driver is replaced.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from ..base import Batch

GRACE_S = 3.0  # beyond the time limit of a call, for the driver to say so
SECOND_LOOK_S = 1.0  # a machine that stood still is given the time to catch up


class StallDetector:
    """The batches a driver is at, as something to be watched; see `watchdog.Watched`.

    give_up(reason): the oldest of them should have ended long ago. From any thread.
    """

    def __init__(self, timeout_s: float, give_up: Callable[[str], None]) -> None:
        self.due = math.inf
        self.timeout_s = timeout_s + GRACE_S
        self._give_up = give_up
        self._since: dict[Batch, float] = {}  # oldest first
        self._suspected: Batch | None = None
        self._lock = threading.Lock()

    def began(self, batch: Batch) -> float:
        """The driver is given a batch; when one is due."""
        with self._lock:
            self._since[batch] = time.monotonic()
            return self._set_due()

    def ended(self, batch: Batch) -> None:
        """A batch came back, with an answer or an error."""
        with self._lock:
            self._since.pop(batch, None)
            self._set_due()

    def overdue(self) -> None:
        """The watchdog's word that no batch came back for too long."""
        with self._lock:
            if time.monotonic() < self.due:
                return  # that ended, and this is another one
            oldest = next(iter(self._since))
            again, self._suspected = oldest is self._suspected, oldest
            if not again:
                self.due = time.monotonic() + SECOND_LOOK_S
                return
            waited_s = time.monotonic() - self._since[oldest]
            self._since.clear()  # they end now
            self._set_due()
        self._give_up(f"it did not answer for {waited_s:.1f} s, and is replaced")

    def _set_due(self) -> float:
        for since in self._since.values():
            self.due = since + self.timeout_s
            return self.due
        self.due = math.inf
        return self.due
