"""Ends every observation exactly once: counts it, and sends the reply, in order."""

from __future__ import annotations

import uuid
from collections import deque
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
from ..wire.by_value import Reply, carried
from ..wire.images import Buffer
from ..wire.messages import STATUS_TO_WIRE, response_writer
from ..wire.tensors import MessageWriter

Frames = Sequence[Buffer]

_NOTHING: Mapping[str, Any] = {}
_COPIED_BELOW = 256 * 1024  # as the socket does: a model may use its arrays again
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
        answered = status is Status.OK
        frames: Frames | None = None
        reply: Reply | None = None
        if request.by_value:
            reply = reply_by_value(request, status, error, values or _NOTHING, call, now)
        elif answered or request.request_id:  # a published client knows results only
            frames = self._replies.frames(request, status, error, values or _NOTHING, call, now)
        # Before the client hears: who has the reply finds it measured, and its next image room.
        self._recorder.ended(request, status, call, now)
        request.inputs = _NOTHING
        if reply is not None:
            if not self._transport.hand_over(request.identity, reply):
                self._undelivered(request, now)
        elif request.request_id and frames is not None:
            self._send(request, frames, now)
        else:
            for each, earlier in self._order.end(request, frames):
                self._send(each, earlier, now)
        self.ledger.outcomes[status] += 1
        if not answered:
            self.recent.ended(now, request, status)
        client = self._clients.by_id.get(request.client_id)
        if client is None:
            return
        client.open -= 1
        client.open_bytes -= request.size
        client.answered_at = now
        client.settle(status, error)
        if request.first_of_episode and not answered and status is not Status.SUPERSEDED:
            client.begin_again(request)
        if answered and call is not None:
            if request.in_time(now):
                client.answers_in_time += 1
            else:
                client.answers_late += 1

    def _send(self, request: InferenceRequest, frames: Frames, now: float) -> None:
        if not self._transport.send(request.identity, frames):
            self._undelivered(request, now)

    def _undelivered(self, request: InferenceRequest, now: float) -> None:
        self.ledger.undelivered += 1
        self._recorder.count("replies_undelivered", now, self._recorder.labels(request))

    def tell(self, identity: bytes, frames: Frames) -> None:
        """Send what ends no observation; lost where that client does not read."""
        self._transport.send(identity, frames)

    def begin_drain(self) -> None:
        """Say in each reply from now on that the server drains."""
        self._replies.draining = True

    def settle_unserved(self, request: InferenceRequest, status: Status, reason: str) -> None:
        """End a request that left the queue without having been with a model."""
        name = _METRIC_OF_UNSERVED.get(status)
        if name is not None:
            now = self._clock.now()
            self._recorder.count(name, now, self._recorder.labels(request))
            self._throttled.log_outcome(now, request, status, reason)
        self.settle(request, status, reason)


class ReplyOrder:
    """Replies in the order of the observations, for clients that cannot tell them apart.

    A published client takes the next reply of a model for the answer to its oldest observation.
    Where several lanes or a retry let a later one overtake, its reply waits here for the earlier
    ones: a line for each client and model.
    """

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], deque[InferenceRequest]] = {}
        self._ended: dict[InferenceRequest, Frames | None] = {}

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def begin(self, request: InferenceRequest) -> None:
        """This one waits for an answer from now on."""
        self._lines.setdefault((request.client_id, request.model_id), deque()).append(request)

    def end(
        self, request: InferenceRequest, frames: Frames | None
    ) -> list[tuple[InferenceRequest, Frames]]:
        """The replies that can be sent now, oldest first. frames: None where there is none.

        A request that never began has no place to keep.
        """
        key = (request.client_id, request.model_id)
        line = self._lines.get(key)
        if line is None or request not in line:
            return [] if frames is None else [(request, frames)]
        self._ended[request] = frames
        released: list[tuple[InferenceRequest, Frames]] = []
        while line and line[0] in self._ended:
            oldest = line.popleft()
            reply = self._ended.pop(oldest)
            if reply is not None:
                released.append((oldest, reply))
        if not line:
            del self._lines[key]
        return released


class Replies:
    """Makes them, each with an id of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._run = uuid.uuid4().hex[:8]  # so that ids of two runs do not meet in a log
        self._count = 0
        self.draining = False  # the server is about to end, as each reply tells
        self._writers: dict[str, MessageWriter] = {}  # of models that answered something

    def frames(
        self,
        request: InferenceRequest,
        status: Status,
        error: str,
        values: Mapping[str, Any],
        call: Call | None,
        now: float,
    ) -> list[Buffer]:
        """Frames of the reply that ends `request`; WireError if `values` cannot be sent.

        call: that made an answer of it, which then is OK.
        """
        self._count += 1
        received = request.received_at
        served = request.dispatched_at
        if call is None:
            writer = response_writer(request.model_id)
            message = writer.message
            message.status = STATUS_TO_WIRE[status]
            message.error = error
            message.queue_ms = 1000 * ((served if served == served else now) - received)
        else:
            writer = self._writers.get(request.model_id) or self._remembered(request.model_id)
            message = writer.message
            message.queue_ms = 1000 * (served - received)
            message.model_version = call.version
            message.requery_after_steps = request.requery_after_steps
            message.batch_size = call.batch_size
            message.inference_latency_ms = 1000 * call.seconds
            message.valid_for_ms = call.valid_for_ms
        message.client.id = request.client_id
        message.response_id = f"{self._run}-{self._count}"
        message.timestamp_ns = self._clock.wall_ns()
        message.request_id = request.request_id
        message.epoch = request.epoch
        message.draining = self.draining
        message.server_receive_ns = int(received * 1e9)
        message.server_send_ns = int(now * 1e9)
        message.client_send_ns = request.client_send_ns
        return writer.frames(
            values, one_frame_each=request.accepts_frames, uint16=request.accepts_uint16
        )

    def _remembered(self, model_id: str) -> MessageWriter:
        """For the answers of a model: another name that clients ask for is not worth a place."""
        writer = self._writers[model_id] = response_writer(model_id)
        writer.message.status = STATUS_TO_WIRE[Status.OK]
        return writer


def reply_by_value(
    request: InferenceRequest,
    status: Status,
    error: str,
    values: Mapping[str, Any],
    call: Call | None,
    now: float,
) -> Reply:
    """The reply to who came by a door; WireError if `values` cannot be sent."""
    return Reply(
        request.request_id,
        status,
        error,
        request.epoch,
        inference_ms=0.0 if call is None else 1000 * call.seconds,
        total_ms=1000 * (now - request.received_at),
        requery_after_steps=request.requery_after_steps,
        carried=carried(values, copied_below=_COPIED_BELOW)[0],
    )
