"""Where the clients of a door come in: their credentials, names and models, and what is counted.

Any thread may call what is here.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from ..config.doors import DoorConfig
from ..dispatch.base import ModelInfo
from ..errors import RejectedError
from ..suggestion import nearest
from ..wire.limits import Limits
from .credentials import Credentials
from .visit import Deliver, Visit

_MOST_PEERS = 10_000
_numbering = threading.Lock()  # doors count their clients together


class Reception:
    """Where a door leads.

    own_places: the addresses where this server listens already, and who comes there. limits: of
    one observation. models: those that are served now. deliver: puts a message into the server's
    inbox. count: records a metric.
    """

    def __init__(
        self,
        settings: DoorConfig,
        kind: str,
        *,
        own_places: Callable[[], Mapping[str, str]],
        limits: Limits,
        models: Callable[[], Mapping[str, ModelInfo]],
        credentials: Credentials,
        deliver: Deliver,
        visits: dict[bytes, Visit],
        numbers: Counter[str],
        count: Callable[[str, Mapping[str, str]], None],
    ) -> None:
        self.settings = settings
        self.kind = kind
        self.own_places = own_places
        self.limits = limits
        self.models = models
        self.credentials = credentials
        self.visits = visits  # of all doors, by identity
        self._numbers = numbers  # visits so far, of all doors, by kind and address
        self.deliver = deliver
        self.broken: Counter[str] = Counter()  # what was no message of the protocol, by reason
        self.here = 0  # visits that have not ended
        self._count = count
        self._lock = threading.Lock()

    def enter(self, peer: str, *, client_id: str = "", token: str = "") -> Visit:
        """A client came. RejectedError where its token is not accepted.

        peer: its IP address. client_id: what it calls itself, if it does. token: its credential.
        After a refusal the door answers `credentials.delay(peer)` seconds later, no sooner.
        """
        granted = self.credentials.admit(token, peer)
        client_id = client_id or self.settings.clients.get(peer, "") or granted.client_id
        with self._lock:
            self.here += 1
        if not client_id:
            client_id = f"{self.kind}-{peer}-{self._number(f'{self.kind} {peer}')}"
        self._count("door_clients", {"door": self.kind})
        return Visit(self, granted, client_id)

    def _number(self, who: str) -> int:
        with _numbering:
            if len(self._numbers) > _MOST_PEERS:
                self._numbers.clear()
            self._numbers[who] += 1
            return self._numbers[who]

    def model_named(self, name: str = "") -> str:
        """The id of the model that a client means; RejectedError says which there are.

        name: what the client calls it; empty where it names none.
        """
        known = self.models()
        wanted = self.settings.models.get(name, name) or self.settings.model
        if wanted in known:
            return wanted
        if wanted:
            raise RejectedError(f"model {wanted!r} is unknown: {nearest(wanted, known)}")
        if len(known) == 1:
            return next(iter(known))
        if not known:
            raise RejectedError("this server serves no models")
        names = ", ".join(sorted(known))
        raise RejectedError(f"this server serves several models: name one of {names}")

    def refuse(self, reason: str) -> None:
        """Count that a client sent what is no message of the protocol. reason: one of a few."""
        with self._lock:
            self.broken[reason] += 1
        self._count("door_errors", {"door": self.kind, "reason": reason})

    def report(self, address: str) -> dict[str, Any]:
        """For the status: who is here, and what was refused so far."""
        with self._lock:
            return {
                "kind": self.kind,
                "address": address,
                "model": self.settings.model,
                "clients": self.here,
                "errors": dict(self.broken),
            }

    def left(self) -> None:
        """A visit ended."""
        with self._lock:
            self.here -= 1
