"""Who speaks to the server: identities, cadence, outcomes, and when they were last heard."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field

from ..status import Status
from .cadence import Cadence


@dataclass
class Client:
    """One client, known by the id it claims."""

    id: str
    identity: bytes
    cadence: Cadence  # of all its observations
    type: str = ""
    last_seen: float = -math.inf
    connected: bool = True
    received: int = 0
    open: int = 0  # received and not ended yet
    ok: int = 0
    failed: int = 0
    deadline_hits: int = 0
    deadline_misses: int = 0
    last_error: str = ""
    session: int = 0  # of the connection that spoke last, 0 for published clients
    takeovers: int = 0
    cadences: dict[str, Cadence] = field(default_factory=dict)  # per model
    epochs: dict[str, int] = field(default_factory=dict)  # newest epoch seen per model

    def settle(self, status: Status, error: str) -> None:
        if status is Status.OK:
            self.ok += 1
        else:
            self.failed += 1
            self.last_error = f"{status}: {error}" if error else str(status)


class ClientRegistry:
    """All clients, bounded: those that are long gone make room for new ones."""

    def __init__(self, alpha: float, disconnect_timeout: float, capacity: int = 10_000) -> None:
        self._alpha = alpha
        self._timeout = disconnect_timeout
        self._capacity = capacity
        self.by_id: dict[str, Client] = {}

    def heard(self, client_id: str, identity: bytes, now: float) -> Client:
        """The client that just spoke, made known if it was not."""
        client = self.by_id.get(client_id)
        if client is None:
            if len(self.by_id) >= self._capacity:
                self._make_room()
            client = Client(client_id, identity, Cadence(self._alpha))
            self.by_id[client_id] = client
        client.identity = identity
        client.last_seen = now
        client.connected = True
        return client

    def observed(self, client: Client, model_id: str, now: float) -> Cadence:
        """Count an observation for a model that exists; its cadence, the new one counted in."""
        client.cadence.event(now)
        cadence = client.cadences.get(model_id)
        if cadence is None:
            cadence = client.cadences[model_id] = Cadence(self._alpha)
        cadence.event(now)
        return cadence

    def sweep(self, now: float) -> list[Client]:
        """Those that fell silent since the last sweep; each is reported once."""
        gone = []
        for client in self.by_id.values():
            if client.connected and now - client.last_seen > self._timeout:
                client.connected = False
                gone.append(client)
        return gone

    def active(self) -> int:
        return sum(client.connected for client in self.by_id.values())

    def _make_room(self) -> None:
        # A tenth at once: a flood of new ids must not search the whole table for each.
        oldest = heapq.nsmallest(
            max(1, self._capacity // 10), self.by_id.values(), key=lambda client: client.last_seen
        )
        for client in oldest:
            del self.by_id[client.id]
