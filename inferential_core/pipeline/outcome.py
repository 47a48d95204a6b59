"""The one end of every observation: it is counted, and its client gets a reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..clock import Clock
from ..log.throttled import ThrottledLog
from ..metrics.recorder import Recorder
from ..request import Call, InferenceRequest
from ..status import Status
from ..tracking.clients import ClientRegistry
from ..tracking.ledger import Ledger
from ..tracking.recent import Recent
from ..transport.base import Transport
from ..wire.images import Buffer
from .reply import Replies
from .reply_order import ReplyOrder

_NOTHING: Mapping[str, Any] = {}
_METRIC_OF_UNSERVED = {Status.EXPIRED: "requests_expired", Status.DROPPED: "queue_full_drops"}


class Outcomes:
    """Settles requests, each once."""

    def __init__(
        self,
        transport: Transport,
        clients: ClientRegistry,
        clock: Clock,
        recorder: Recorder,
        throttled: ThrottledLog,
    ) -> None:
        self.ledger = Ledger()
        self.recent = Recent()
        self._transport = transport
        self._clients = clients
        self._clock = clock
        self._recorder = recorder
        self._throttled = throttled
        self._replies = Replies(clock)
        self._order = ReplyOrder()

    def keep_in_order(self, request: InferenceRequest) -> None:
        """A request of a published client was taken in, whose replies must not change places."""
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
        self._recorder.ended(request, status, call, now)
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
            if request.in_time(now):
                client.answers_in_time += 1
            else:
                client.answers_late += 1

    def settle_unserved(self, request: InferenceRequest, status: Status, reason: str) -> None:
        """End a request that left the queue without having been with a model."""
        name = _METRIC_OF_UNSERVED.get(status)
        if name is not None:
            now = self._clock.now()
            self._recorder.count(name, now, self._recorder.labels(request))
            self._throttled.log_outcome(now, request, status, reason)
        self.settle(request, status, reason)

    def _send(self, request: InferenceRequest, frames: Sequence[Buffer], now: float) -> None:
        if not self._transport.send(request.identity, frames):
            self.ledger.undelivered += 1
            self._recorder.count("replies_undelivered", now, self._recorder.labels(request))
