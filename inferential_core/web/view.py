"""Combines the server's status with figures of recent requests, for the page.

The server's counters and its newest events are read in one moment; all else is worked out here,
in small steps between which other threads get their turn.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections import Counter
from typing import Any

from ..metrics.telemetry import Telemetry
from ..tracking.recent import Cursor, Served
from .client_state import ORDER, VISITOR, judge
from .several import Others, merged
from .window import BIN_S, Windows

MOST_ROWS = 500  # robots shown; the worst ones, where there are more
MOST_BARS = 300  # batches shown in a frame; the newest ones, where there are more
_TEXT = 200  # characters of a name or an error
_STEP = 25  # rows worked out before other threads get a turn

COLUMNS = (
    "id",
    "type",
    "state",
    "why",
    "rate_hz",
    "latency_p50_ms",
    "latency_p95_ms",
    "on_time",
    "runway_ms",
    "asks_when_dry",
    "received",
    "last_error",
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_NUMBERS = re.compile(r"(\d+)")


class Fleet:
    """The fleet of one server and of others, as it is shown. For one thread at a time."""

    def __init__(self, server: Telemetry, others: Others | None = None) -> None:
        self._server = server
        self._others = others or Others(())
        self._windows = Windows()
        self._cursor = Cursor()
        self._now = 0.0
        self._bars: list[Served] = []
        self._model_ids: list[str] = []
        self._order: dict[str, tuple[Any, ...]] = {}  # client -> sort key of its name

    def status(self) -> dict[str, Any]:
        """Server.status(), and: `time` (unix, s); of each client `state`, `why`, latencies, the

        share of answers in time and `runway_ms`; of each model `sizes`
        (observations, calls, median s) and `most_together` (observations in a call, at most).
        Numbers that are not there are None.
        """
        status = self._found()
        status["clients"] = [_all_plain(each) for each in status["clients"]]
        return status

    def status_text(self, most: int | None = None) -> str:
        """The same as JSON; of the clients at most so many, those that do worst.

        Made in small steps, too: thousands of clients at once would hold the interpreter for long.
        """
        status = self.status()
        clients = status.pop("clients")
        if most is not None:
            clients = sorted(clients, key=self._rank)[:most]
        slices = (clients[first : first + _STEP] for first in range(0, len(clients), _STEP))
        rows = ", ".join(json.dumps(each)[1:-1] for each in slices)
        return f'{json.dumps(status)[:-1]}, "clients": [{rows}]}}'

    def _found(self) -> dict[str, Any]:
        """All of it, the clients still as they were found."""
        status = self._refreshed()
        clients = enumerate(status["clients"])
        status["clients"] = [self._client(index, each) for index, each in clients]
        status["models"] = [self._model(each) for each in status["models"]]
        status["time"] = time.time()
        return _all_plain(status)

    def begin(self) -> str:
        """A frame with a past: sparklines and the batches at hand."""
        status = self._found()
        history = {
            _text(name): [_milliseconds(left) for left in window.history(self._now)]
            for name, window in self._windows.clients.items()
        }
        return self._frame(status, {"history": history, "bin_s": BIN_S})

    def frame(self) -> str:
        """A frame with what changed since the last one, for the page."""
        return self._frame(self._found(), {})

    def _refreshed(self) -> dict[str, Any]:
        status, self._now, events = self._server.status_with_events(self._cursor)
        windows = self._windows
        windows.add(events, self._now)
        self._bars = events.served[-MOST_BARS:]
        self._model_ids = [model["id"] for model in status["models"]]
        windows.keep({each["id"] for each in status["clients"]}, set(self._model_ids))
        if len(self._order) > 2 * len(status["clients"]):
            self._order.clear()
        return status

    def _client(self, index: int, client: dict[str, Any]) -> dict[str, Any]:
        if index % _STEP == 0:
            time.sleep(0)  # lets go of the interpreter, should a robot's request wait for it
        window = self._windows.client(client["id"], self._now)
        tracking = self._server.config.response_tracking
        state, why = judge(client, window, self._now, tracking.overdue_multiplier)
        p50, p95 = window.quantiles()
        history = window.history(self._now)
        lately = [left for left in history[-2:] if left == left]
        if client["asks_when_dry"]:
            lately = []  # what is left of its budget is no runway
        return {
            **client,
            "state": state,
            "why": why,
            "latency_p50_ms": 1000.0 * p50,
            "latency_p95_ms": 1000.0 * p95,
            "on_time": window.on_time(),
            "runway_ms": 1000.0 * min(lately, default=math.nan),
        }

    def _model(self, model: dict[str, Any]) -> dict[str, Any]:
        window = self._windows.models[model["id"]]
        scheduling = self._server.config.scheduling
        shown = {
            **model,
            "sizes": window.sizes(),
            "most_together": min(model["max_batch"], scheduling.max_batch_size),
        }
        return _all_plain(shown)

    def _frame(self, status: dict[str, Any], more: dict[str, Any]) -> str:
        if others := self._others.statuses():
            status = {**status, **merged([status, *others])}
        robots = [client for client in status.pop("clients") if client["state"] != VISITOR]
        clients = sorted(robots, key=self._rank)
        rows = [[_plain(client.get(name)) for name in COLUMNS] for client in clients[:MOST_ROWS]]
        return json.dumps(
            {
                **status,
                "now": round(self._now, 4),
                "states": Counter(client["state"] for client in clients),
                "columns": COLUMNS,
                "rows": rows,
                "bars": [self._bar(served) for served in self._bars],
                **more,
            },
            separators=(",", ":"),
        )

    def _rank(self, client: dict[str, Any]) -> tuple[Any, ...]:
        name = client["id"]
        key = self._order.get(name)
        if key is None:  # robot_2 before robot_10
            parts = _NUMBERS.split(name)
            key = self._order[name] = tuple(
                (int(p), "") if p.isdecimal() else (0, p) for p in parts
            )
        return ORDER[client["state"]], key

    def _bar(self, served: Served) -> list[Any]:
        """Model, begin, duration (s), observations, how many of them failed."""
        batch = served.batch
        begin = batch.dispatched_at
        model = self._model_ids.index(batch.model_id) if batch.model_id in self._model_ids else -1
        failed = sum(served.failed) if served.failed is not None else 0
        return [model, round(begin, 4), round(served.at - begin, 4), len(batch.requests), failed]


def _all_plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    """As JSON has it: no NaN, no endless texts, nothing that steers a terminal."""
    if type(value) is int:  # as most are
        return value
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if isinstance(value, str):
        return _text(value)
    return value


def _text(value: str) -> str:
    clean = value if value.isascii() and value.isprintable() else _CONTROL.sub(" ", value)
    return clean if len(clean) <= _TEXT else clean[: _TEXT - 1] + "…"


def _milliseconds(seconds: float) -> float | None:
    return round(1000.0 * seconds, 1) if math.isfinite(seconds) else None
