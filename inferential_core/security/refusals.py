"""Counts who was refused and why, for the status, and logs it at a limited rate."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from ..clock import Clock
from ..log.throttled import ThrottledLog

Record = Callable[[str, float, dict[str, str]], None]  # MetricsStore.record

HANDSHAKE, OBSERVATION = "handshake", "observation"
_METRICS = {HANDSHAKE: "auth_failures", OBSERVATION: "observations_refused"}
BROKEN_OFF = "broken off"  # a reason, but not logged: whoever looks if the port is open does it
_log = logging.getLogger(__name__)


class Refusals:
    """Reasons are a handful of words of ours; `who` may hold what strangers say. Any thread."""

    def __init__(self, clock: Clock, record: Record | None = None) -> None:
        self._clock = clock
        self._record = record
        self._lock = threading.Lock()
        self._throttled = ThrottledLog(_log)
        self._counts: dict[str, Counter[str]] = {HANDSHAKE: Counter(), OBSERVATION: Counter()}
        self._last: tuple[str, str, float] | None = None

    def add(self, what: str, reason: str, who: str = "") -> None:
        """A handshake or an observation was refused."""
        now = self._clock.now()
        with self._lock:
            self._counts[what][reason] += 1
            self._last = (reason, who, now)
            if reason != BROKEN_OFF:
                kind = f"{what} refused: {reason}"
                told = f"{kind}: {who}" if who else kind
                self._throttled.log(now, told, kind=kind, fields={"reason": reason})
        if self._record is not None:
            self._record(_METRICS[what], 1.0, {"reason": reason})

    def report(self) -> dict[str, Any]:
        """For the status: totals, counts by reason, and the last one."""
        with self._lock:
            last = self._last
            return {
                "handshakes_refused": sum(self._counts[HANDSHAKE].values()),
                "observations_refused": sum(self._counts[OBSERVATION].values()),
                "handshakes_by_reason": dict(self._counts[HANDSHAKE]),
                "observations_by_reason": dict(self._counts[OBSERVATION]),
                "last_refused": None
                if last is None
                else {"reason": last[0], "who": last[1], "ago_s": self._clock.now() - last[2]},
            }
