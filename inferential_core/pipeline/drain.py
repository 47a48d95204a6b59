"""Takes leave of the clients before the server ends, and tells them whether it is well.

A client that has other servers to go to (`moves_on`) is told that this one drains, and says
goodbye once it has its answers. Until all of those have gone, observations are served: some are on
their way while the notice is. Then no new one is taken in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..status import Status
from ..tracking.clients import Client, ClientRegistry
from ..tracking.models import ModelRecord
from ..wire.messages import STATUS_TO_WIRE, response_writer
from .outcome import Outcomes

DRAINING = "the server drains: it is about to end, ask another one"


class Drain:
    """The end of a server, from `begin` on, and its answers to pings at any time."""

    def __init__(
        self, outcomes: Outcomes, clients: ClientRegistry, models: Mapping[str, ModelRecord]
    ) -> None:
        self.begun = False
        self.refusal = ""  # why no new observation is taken in
        self._outcomes = outcomes
        self._clients = clients
        self._models = models

    def begin(self) -> None:
        """Tell all clients that have another server to go to."""
        self.begun = True
        self._outcomes.begin_drain()
        for client in self.to_leave():
            self.notify(client)

    def notify(self, client: Client) -> None:
        """Tell a client that this server drains."""
        writer = response_writer("")
        writer.message.client.id = client.id
        writer.message.draining = True
        self._outcomes.tell(client.identity, writer.frames({}))

    def to_leave(self) -> list[Client]:
        """The clients that have another server to go to and have not gone."""
        return [each for each in self._clients.by_id.values() if each.connected and each.moves_on]

    def close(self) -> None:
        """Take in no new observation."""
        self.refusal = DRAINING

    def pong(self, ping: Any, identity: bytes, now: float) -> None:
        """Answer a ping: whether an observation for the model that it names would be taken in."""
        model = self._models.get(ping.ping)
        status, error = Status.OK, ""
        if model is None:
            status, error = Status.REJECTED, f"model {ping.ping!r} is unknown"
        elif refusal := model.unavailable or model.refusal(now):
            status, error = Status.ERROR, refusal
        writer = response_writer(ping.ping)
        message = writer.message
        message.client.id = ping.client.id
        message.request_id = ping.request_id
        message.pong, message.draining = True, self.begun
        message.status, message.error = STATUS_TO_WIRE[status], error
        self._outcomes.tell(identity, writer.frames({}))
