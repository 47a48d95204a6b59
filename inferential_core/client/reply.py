"""What the client knows of one observation once it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

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


class Ending(NamedTuple):
    """How an observation ended, as it was found: all that is read of a reply as it arrives.

    The full story is told when somebody asks for it; most only want the result.
    """

    status: Status
    error: str
    received_at: float
    result: dict[str, Any] | None = None
    message: Any = None  # protobuf ModelResponse, where the server told the end
    clock_offset_ns: int = 0

    def as_result(self) -> dict[str, Any] | None:
        """What `get_result` returns: the result with what is known of it, or None."""
        if self.result is None:
            return None
        message = self.message
        self.result["response_id"] = message.response_id
        self.result["model_id"] = message.model_id
        self.result["inference_latency_ms"] = message.inference_latency_ms
        return self.result

    def as_reply(self, request_id: int, model_id: str, epoch: int, sent_at: float) -> Reply:
        """The reply that tells of this end to whoever waits for it."""
        reply = Reply(
            request_id,
            model_id,
            self.status,
            sent_at,
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
