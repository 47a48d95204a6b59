"""Chooses the clients that a dashboard shows by name, so that their number stays bounded.

The rest shares the name `other`. Who is shown stays so while it is connected: counters of one name
must never go back, or a dashboard takes that for a restart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]  # a client as `Server.status()` has it
OTHER = "other"
COUNTED = ("received", "ok", "failed", "deadline_hits", "deadline_misses", "takeovers")


class ShownClients:
    """Chooses at most `most` of them, anew each time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._shown: set[str] = set()
        self._seen: dict[str, dict[str, int]] = {}  # counters the last time
        self._others: dict[str, int] = dict.fromkeys(COUNTED, 0)

    def choose(self, clients: Sequence[Row]) -> tuple[list[Row], dict[str, int]]:
        """Those shown, and counters of all others together.

        The others' grow by what each of them did while it was not shown.
        """
        ranked = sorted(clients, key=self._rank)
        shown = ranked[: self.most]
        self._shown = {client["id"] for client in shown}
        for client in ranked[self.most :]:
            before = self._seen.get(client["id"])
            for name in COUNTED:
                now = int(client[name])
                done = now - before[name] if before is not None else now
                # A client that was forgotten and came back counts from zero.
                self._others[name] += done if done >= 0 else now
        self._seen = {
            client["id"]: {name: int(client[name]) for name in COUNTED} for client in clients
        }
        return shown, dict(self._others)

    def _rank(self, client: Row) -> tuple[bool, bool, bool, float]:
        """Smaller comes first: who is there and was shown, who is there, the busiest.

        Last of all a client that calls itself like the rest.
        """
        name, there = client["id"], bool(client["connected"])
        return (name == OTHER, not there, name not in self._shown, -float(client["received"]))
