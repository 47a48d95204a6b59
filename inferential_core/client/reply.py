"""What the client knows of one observation, from when it is sent until it has ended."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..status import Status


@dataclass(slots=True)
class Reply:
    """How an observation ended: its outcome, its result, and the times that it took.

    `sent_at` and `received_at` are seconds of this client's monotonic clock.
    """

    request_id: int
    model_id: str
    status: Status
    sent_at: float
    received_at: float
    error: str = ""  # why there is no result, in words
    result: dict[str, Any] | None = None  # arrays and strings by key; None unless status is OK
    response_id: str = ""
    epoch: int = 0
    model_version: str = ""
    inference_latency_ms: float = 0.0  # time of the model's call for the whole batch
    queue_ms: float = 0.0  # time from receiving the observation to giving it to the model
    batch_size: int = 0  # observations served in the same call
    valid_for_ms: float = 0.0  # the server's lease, counted from the observation; 0: none
    requery_after_steps: int = 0  # the server's hint: ask again after so many steps; 0: none
    uplink_ms: float = 0.0  # time to the server, by the estimated clock offset
    clock_offset_s: float = 0.0  # server's monotonic clock minus ours, 0 while unknown

    @property
    def round_trip_ms(self) -> float:
        """From sending the observation to receiving this reply, by the client's clock, ms."""
        return 1000.0 * (self.received_at - self.sent_at)

    @property
    def staleness_ms(self) -> float:
        """How old the observation was when the model began on it; no wall clock plays a part."""
        return self.uplink_ms + self.queue_ms


@dataclass(slots=True)
class AwaitedReply:
    """An observation that was made and whose reply was not taken yet; how it ended, once it has.

    A reply is read no further than this as it arrives: most only want the result.
    """

    request_id: int
    sent_at: float
    lost_at: float = math.inf  # from then on it counts as lost
    lost_why: str = ""
    timed_out: bool = False  # a blocking get_result gave up on it
    error: str = ""
    received_at: float = 0.0
    result: dict[str, Any] | None = None
    message: Any = None  # protobuf ModelResponse, where the server told the end
    clock_offset_ns: int = 0
    status: Status = Status.WAITING  # set after all others: an interrupt leaves it ended, or not

    def lose(self, now: float, reason: str) -> None:
        """End without a reply: it counts as lost since `now`, for this reason."""
        self.error, self.received_at = reason, now
        self.result = self.message = None  # an interrupt may have come as it ended otherwise
        self.status = Status.LOST

    def as_result(self) -> dict[str, Any] | None:
        """What `get_result` returns: the result with what is known of it, or None."""
        result = self.result
        if result is not None:
            message = self.message
            result["response_id"] = message.response_id
            result["model_id"] = message.model_id
            result["inference_latency_ms"] = message.inference_latency_ms
        return result

    def as_reply(self, model_id: str, epoch: int) -> Reply:
        """The reply that tells of its end to whoever waits for it."""
        reply = Reply(
            self.request_id,
            model_id,
            self.status,
            self.sent_at,
            self.received_at,
            self.error,
            self.result,
            epoch=epoch,
        )
        message = self.message
        if message is not None:
            uplink_ns = message.server_receive_ns - self.clock_offset_ns - message.client_send_ns
            reply.response_id = message.response_id
            reply.model_version = message.model_version
            reply.inference_latency_ms = message.inference_latency_ms
            reply.queue_ms = message.queue_ms
            reply.batch_size = message.batch_size
            reply.valid_for_ms = message.valid_for_ms
            reply.requery_after_steps = message.requery_after_steps
            reply.uplink_ms = uplink_ns / 1e6
            reply.clock_offset_s = self.clock_offset_ns / 1e9
        return reply
