"""Several servers as one fleet: statuses merged, and those of other servers fetched for a page."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.request
from collections.abc import Sequence
from typing import Any

from ..errors import ConfigError

Status = dict[str, Any]

_SUMMED = (
    *("received", "ok", "expired", "superseded", "dropped", "rejected", "errors"),
    *("queued", "in_flight"),
)
_NEEDED = {"bind", "strategy", "uptime_s", "clients", "models", *_SUMMED}
_EVERY_S = 1.0
_PATIENCE_S = 2.0
_MOST_CLIENTS = 500
# A proxy of the environment leads elsewhere: servers are named.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def merged(statuses: Sequence[Status]) -> Status:
    """The status of several servers as that of one fleet; of a single one as it is.

    A robot counts where it is connected, and models say whose they are.
    """
    if len(statuses) == 1:
        return statuses[0]
    clients: dict[str, Status] = {}
    for each in (client for status in statuses for client in status["clients"]):
        known = clients.get(each["id"])
        if known is None or each["connected"] or not known["connected"]:
            clients[each["id"]] = each
    return {
        **{name: sum(status[name] for status in statuses) for name in _SUMMED},
        "bind": ", ".join(status["bind"] for status in statuses),
        "strategy": ", ".join(dict.fromkeys(status["strategy"] for status in statuses)),
        "uptime_s": min(status["uptime_s"] for status in statuses),
        "clients": list(clients.values()),
        "models": [
            {**model, "id": f"{model['id']} at {status['bind'].rpartition('/')[2]}"}
            for status in statuses
            for model in status["models"]
        ],
    }


class Others:
    """The other servers of a fleet by their pages' addresses, asked while somebody looks.

    token: the one that their pages demand. ConfigError for what is no address.
    """

    def __init__(self, pages: Sequence[str], token: str = "") -> None:
        for page in pages:
            if not page.startswith(("http://", "https://")):
                raise ConfigError(f"http.fleet {page!r}: write the page's address, http://b:5580")
        self._pages = [page.rstrip("/") for page in pages]
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._found: dict[str, Status] = {}
        self._asks: threading.Thread | None = None
        self._next = 0.0

    def statuses(self) -> list[Status]:
        """What each of those told that answered when they were asked last, about a second ago."""
        now = time.monotonic()
        if self._pages and now >= self._next and (self._asks is None or not self._asks.is_alive()):
            self._next = now + _EVERY_S
            self._asks = threading.Thread(target=self._ask, name="inferential-fleet", daemon=True)
            self._asks.start()
        return list(self._found.values())

    def _ask(self) -> None:
        found = {}
        for page in self._pages:
            address = f"{page}/api/status?clients={_MOST_CLIENTS}"
            try:
                request = urllib.request.Request(address, headers=self._headers)
                with _opener.open(request, timeout=_PATIENCE_S) as answer:
                    told = json.load(answer)
            except (OSError, ValueError, http.client.HTTPException):
                continue  # it is shown again once it answers
            if isinstance(told, dict) and told.keys() >= _NEEDED:
                found[page] = told
        self._found = found
