"""Errors as they are told: to the log, not more often than one can read, and to clients."""

from __future__ import annotations

import logging
import os
import traceback


class Complaints:
    """Warnings, each kind at most once in `PERIOD_S`; how many were held back is said then."""

    PERIOD_S = 1.0
    _KINDS = 1000  # remembered at most: the names in them come from outside

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._next: dict[str, float] = {}  # kind -> when it may be told again, monotonic s
        self._held: dict[str, int] = {}

    def tell(self, now: float, what: str, error: BaseException | None = None) -> None:
        """Log `what`, with the traceback of `error`, unless the same was told just now."""
        kind = what if error is None else f"{what}: {type(error).__name__}"
        if now < self._next.get(kind, now):
            self._held[kind] = self._held.get(kind, 0) + 1
            return
        if len(self._next) > self._KINDS:
            self._next.clear()
            self._held.clear()
        self._next[kind] = now + self.PERIOD_S
        held = self._held.pop(kind, 0)
        more = f" ({held} more like this since the last)" if held else ""
        self._log.warning("%s%s", what, more, exc_info=error)


def told(error: BaseException) -> str:
    """An exception in one line, with the place where it was raised: what a client gets to read."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"
