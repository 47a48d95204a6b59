"""The full story of one observation, once it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..status import Status


@dataclass(slots=True)
class Reply:
    """How an observation ended. Times are this client's monotonic seconds."""

    request_id: int
    model_id: str
    status: Status
    sent_at: float
    received_at: float
    error: str = ""  # why there is no result
    result: dict[str, Any] | None = None  # arrays and strings by key; None unless status is OK
    response_id: str = ""
    epoch: int = 0
    model_version: str = ""
    inference_latency_ms: float = 0.0  # of the whole batch
    queue_ms: float = 0.0  # in the server's queue
    batch_size: int = 0  # observations served in the same call
    valid_for_ms: float = 0.0  # lease the server grants, 0: none stated
    requery_after_steps: int = 0  # the server's hint, 0: none
    uplink_ms: float = 0.0  # on the way to the server, by the estimated clock offset
    clock_offset_s: float = 0.0  # server's monotonic clock minus ours, 0 while unknown

    @property
    def round_trip_ms(self) -> float:
        return 1000.0 * (self.received_at - self.sent_at)

    @property
    def staleness_ms(self) -> float:
        """How old the observation was when the model began on it; no wall clock plays a part."""
        return self.uplink_ms + self.queue_ms

    def as_result(self) -> dict[str, Any] | None:
        """What `get_result` returns: the result with what is known of it, or None."""
        if self.result is None:
            return None
        return {
            **self.result,
            "response_id": self.response_id,
            "model_id": self.model_id,
            "inference_latency_ms": self.inference_latency_ms,
        }
