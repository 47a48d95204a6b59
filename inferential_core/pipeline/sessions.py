"""Follows which connection speaks under a client's id: one after another, or none any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..log.throttled import ThrottledLog
from ..metrics.recorder import Recorder
from ..scheduler.pending import Pending
from ..tracking.clients import Client, ClientRegistry
from ..tracking.models import ModelRecord
from .drain import Drain


class Sessions:
    """A session is the random number of a connection, which nobody else knows."""

    def __init__(
        self,
        clients: ClientRegistry,
        models: Mapping[str, ModelRecord],
        drain: Drain,
        recorder: Recorder,
        throttled: ThrottledLog,
    ) -> None:
        self._clients = clients
        self._models = models
        self._drain = drain
        self._recorder = recorder
        self._throttled = throttled

    def on_new(self, client: Client, session: int, pending: Pending, now: float) -> None:
        """Somebody else speaks under this id: a rebooted robot, or a second one that took it."""
        if client.session:
            client.takeovers.note(client.session, session, now)
            self._recorder.count("client_takeovers", now, {"client": client.id})
            self._throttled.log(
                now,
                f"client {client.id!r} was taken over by a new connection",
                kind="a client was taken over",
                fields={"client": client.id},
            )
            pending.remove_client(client.id, "another connection took this id over")
            self._begin_anew(client)
        client.session = session

    def on_return(self, client: Client, moves: int) -> None:
        """It was with another server: what this one remembers of its episodes is out of date."""
        client.moves = moves
        self._begin_anew(client)
        if self._drain.begun:
            self._drain.notify(client)

    def on_farewell(self, message: Any, identity: bytes) -> None:
        """A connection ends; nothing happens unless it is the one that speaks for this client."""
        client = self._clients.by_id.get(message.client.id)
        if client is None or not message.session:
            return
        if (client.session, client.identity) == (message.session, identity):
            self._clients.leave(client)
            self._begin_anew(client)

    def _begin_anew(self, client: Client) -> None:
        """Whatever it sends next begins an episode."""
        client.epochs.clear()
        for model in self._models.values():
            model.placement.begin_anew(client.id)
