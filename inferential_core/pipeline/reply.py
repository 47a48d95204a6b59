"""From an outcome to the frames of the reply."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from ..clock import Clock
from ..request import Call, InferenceRequest
from ..status import Status
from ..wire.images import Buffer
from ..wire.response import STATUS_TO_WIRE, response_writer
from ..wire.writer import MessageWriter


class Replies:
    """Makes them, each with an id of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._run = uuid.uuid4().hex[:8]  # so that ids of two runs do not meet in a log
        self._count = 0
        self._writers: dict[str, MessageWriter] = {}  # of models that served something

    def frames(
        self,
        request: InferenceRequest,
        status: Status,
        error: str,
        values: Mapping[str, Any],
        call: Call | None,
        now: float,
    ) -> list[Buffer]:
        """Frames of the reply that ends `request`; WireError if `values` cannot be sent."""
        self._count += 1
        received = request.received_at
        served = request.dispatched_at
        # Whatever a client calls a model is not worth remembering, unless it served something.
        writer = self._writers.get(request.model_id) if call is not None else None
        if writer is None:
            writer = response_writer(request.model_id)
            if call is not None:
                self._writers[request.model_id] = writer
        message = writer.message
        message.client.id = request.client_id
        message.response_id = f"{self._run}-{self._count}"
        message.timestamp_ns = self._clock.wall_ns()
        message.request_id = request.request_id
        message.status = STATUS_TO_WIRE[status]
        message.error = error
        message.epoch = request.epoch
        message.queue_ms = 1000 * ((served if served == served else now) - received)  # NaN: never
        message.server_receive_ns = int(received * 1e9)
        message.server_send_ns = int(now * 1e9)
        message.client_send_ns = request.client_send_ns
        if call is not None:
            message.model_version = call.version
            message.requery_after_steps = request.requery_after_steps
            message.batch_size = call.batch_size
            message.inference_latency_ms = 1000 * call.seconds
            message.valid_for_ms = call.valid_for_ms
        return writer.frames(values, one_frame_each=request.accepts_frames)
