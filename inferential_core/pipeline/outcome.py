"""The one end of every observation: counted, and told to a client that understands it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..clock import Clock
from ..metrics.recorder import Recorder
from ..request import InferenceRequest
from ..status import Status
from ..tracking.clients import ClientRegistry
from ..tracking.ledger import Ledger
from ..tracking.recent import Recent
from ..transport.base import Transport
from ..wire.images import Buffer
from .reply import Call, Replies
from .reply_order import ReplyOrder

_NOTHING: Mapping[str, Any] = {}


class Outcomes:
    """Settles requests, each once."""

    def __init__(
        self, transport: Transport, clients: ClientRegistry, clock: Clock, measuring: Recorder
    ) -> None:
        self.ledger = Ledger()
        self.recent = Recent()
        self._transport = transport
        self._clients = clients
        self._clock = clock
        self._measuring = measuring
        self._replies = Replies(clock)
        self._order = ReplyOrder()

    def begin(self, request: InferenceRequest) -> None:
        """A request is taken in, and will be settled later."""
        if not request.request_id:
            self._order.begin(request)

    def settle(
        self,
        request: InferenceRequest,
        status: Status,
        error: str = "",
        values: Mapping[str, Any] | None = None,
        call: Call | None = None,
    ) -> None:
        """End a request; WireError if `values` cannot be sent, then nothing has happened."""
        now = self._clock.now()
        frames: Sequence[Buffer] | None = None
        if status is Status.OK or request.request_id:  # a published client knows results only
            frames = self._replies.frames(request, status, error, values or {}, call, now)
        # Before the client hears: who has the reply finds it measured, and its next image room.
        self._measuring.ended(request, status, call, now)
        request.inputs = _NOTHING
        if request.request_id and frames is not None:
            self._send(request, frames, now)
        else:
            for each, reply in self._order.end(request, frames):
                self._send(each, reply, now)
        self.ledger.outcomes[status] += 1
        if status is not Status.OK:
            self.recent.ended(now, request, status)
        client = self._clients.by_id.get(request.client_id)
        if client is None:
            return
        client.open -= 1
        client.open_bytes -= request.size
        client.settle(status, error)
        if call is not None and status is Status.OK:
            if now <= request.deadline:
                client.deadline_hits += 1
            else:
                client.deadline_misses += 1

    def _send(self, request: InferenceRequest, frames: Sequence[Buffer], now: float) -> None:
        if not self._transport.send(request.identity, frames):
            self.ledger.undelivered += 1
            self._measuring.count("replies_undelivered", now, self._measuring.labels(request))
