"""From an outcome to the frames that tell it."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

from .clock import Clock
from .request import InferenceRequest
from .status import Status
from .wire.images import Buffer
from .wire.response import ResponseHeader, encode_response


class Call(NamedTuple):
    """The call of a model that served a request."""

    version: str
    batch_size: int  # observations that shared it
    seconds: float


class Replies:
    """Makes them, each with an id of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._run = uuid.uuid4().hex[:8]  # so that ids of two runs do not meet in a log
        self._count = 0

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
        dispatched = request.dispatched_at
        waited = (now if math.isnan(dispatched) else dispatched) - request.received_at
        header = ResponseHeader(
            client_id=request.client_id,
            model_id=request.model_id,
            response_id=f"{self._run}-{self._count}",
            timestamp_ns=self._clock.wall_ns(),
            inference_latency_ms=1000 * call.seconds if call else 0.0,
            request_id=request.request_id,
            status=status,
            error=error,
            epoch=request.epoch,
            model_version=call.version if call else "",
            queue_ms=1000 * waited,
            batch_size=call.batch_size if call else 0,
            server_receive_ns=int(request.received_at * 1e9),
            server_send_ns=int(now * 1e9),
            client_send_ns=request.client_send_ns,
        )
        return encode_response(header, values, one_frame_each=request.accepts_frames)
