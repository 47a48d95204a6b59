"""Limits how often errors are logged, and words them for clients."""

from __future__ import annotations

import logging

from ..errors import touchable
from ..request import InferenceRequest
from ..status import Status

Fields = dict[str, object]


class ThrottledLog:
    """Logs each kind of line at most once in `PERIOD_S`, and all kinds together at most `MOST`
    times; how many were held back is logged later, at the latest by `flush`.
    """

    PERIOD_S = 1.0
    MOST = 20
    _KINDS = 1000  # remembered at most: the names in them come from outside

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._next: dict[str, float] = {}  # kind -> when it may be logged again, monotonic s
        self._held: dict[str, int] = {}
        self._logged = 0  # in the period that ends at
        self._period_ends = 0.0

    def log(
        self,
        now: float,
        what: str,
        error: BaseException | None = None,
        *,
        kind: str = "",
        level: int = logging.WARNING,
        fields: Fields | None = None,
    ) -> None:
        """Log `what`, with the traceback of `error`, unless the same was logged just now.

        kind: what makes two of them the same, `what` itself by default; together with the type of
        the error. fields: whom and what it is about, for logs that are read by programs.
        """
        kind = kind or what
        if error is not None:
            kind = f"{kind}: {type(error).__name__}"
        if now < self._next.get(kind, now) or not self._may(now):
            self._held[kind] = self._held.get(kind, 0) + 1
            if len(self._held) > self._KINDS:
                self._log_rest()
            return
        if len(self._next) > self._KINDS:
            self._next.clear()
        self._next[kind] = now + self.PERIOD_S
        held = self._held.pop(kind, 0)
        more = f" ({held} more like this since the last)" if held else ""
        extra = {"fields": {**(fields or {}), **({"held_back": held} if held else {})}}
        told = None if error is None else touchable(error)
        self._log.log(level, "%s%s", what, more, exc_info=told, extra=extra)

    def log_outcome(self, now: float, request: InferenceRequest, status: Status, why: str) -> None:
        """An observation ended without an answer."""
        self.log(
            now,
            f"{status} an observation of {request.client_id!r}: {why}",
            kind=f"observations {status}",
            fields={"outcome": str(status), **about(request)},
        )

    def flush(self, now: float) -> None:
        """Log what was held back and did not come again; to be called about once a second."""
        if any(now >= self._next.get(kind, now) for kind in self._held):
            self._log_rest()

    def _may(self, now: float) -> bool:
        if now >= self._period_ends:
            self._period_ends = now + self.PERIOD_S
            self._logged = 0
        self._logged += 1
        return self._logged <= self.MOST

    def _log_rest(self) -> None:
        """All of it in one line, and the kind that was most frequent by name."""
        total = sum(self._held.values())
        most = max(self._held, key=self._held.__getitem__)
        others = f", and {len(self._held) - 1} other kinds" if len(self._held) > 1 else ""
        self._log.warning(
            "%d more were held back: %s%s",
            total,
            most,
            others,
            extra={"fields": {"held_back": total}},
        )
        self._held.clear()


def about(request: InferenceRequest) -> Fields:
    """What a line of the log says of the request it is about."""
    return {
        "client": request.client_id,
        "model": request.model_id,
        "request_id": request.request_id,
        "epoch": request.epoch,
    }
