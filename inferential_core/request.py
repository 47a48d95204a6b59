"""One observation on its way through the server."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False, slots=True)
class InferenceRequest:
    """What schedulers and policies see of an observation. Times are monotonic seconds.

    Two requests are equal only if they are the same one: a request is an event, not a value.
    """

    client_id: str
    model_id: str
    identity: bytes = b""
    received_at: float = 0.0
    urgency: float = 0.0  # 0 to 1, as the client claims
    steps_remaining: int | None = None  # actions the robot still has
    time_until_next: float = math.inf  # s from received_at to its next observation, by cadence
    latency_budget_ms: float = 50.0
    priority: int = 1  # tier, 0 is the most important
    deadline: float = math.inf  # when the answer stops being useful at the server
    supersede: bool = False
    request_id: int = 0  # 0: a published client, which understands no statuses
    epoch: int = 0
    first_of_episode: bool = False
    client_send_ns: int = 0  # client's monotonic clock, echoed
    accepts_frames: bool = False
    inputs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    waiting_since: float = 0.0  # received_at of the oldest observation this one supersedes
    score: float = 0.0  # set when a batch is formed, by schedulers that score
    retry_count: int = 0
    dispatched_at: float = math.nan

    def __post_init__(self) -> None:
        if not self.waiting_since:
            self.waiting_since = self.received_at

    def age(self, now: float) -> float:
        """Seconds since this observation, or the first one it superseded, was received."""
        return now - self.waiting_since

    def slack(self, now: float) -> float:
        """Seconds left until the deadline; negative once it has passed, inf without one."""
        return self.deadline - now
