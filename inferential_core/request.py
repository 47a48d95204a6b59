"""One observation on its way through the server, and the call of a model that served it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .clock import SystemClock


@dataclass(eq=False, slots=True)
class InferenceRequest:
    """What schedulers and policies see of an observation. Times are monotonic seconds.

    The order of the first fields is that of the published package, for requests made by hand.
    Two requests are equal only if they are the same one: a request is an event, not a value.
    """

    client_id: str
    model_id: str
    identity: bytes = b""
    envelope: bytes = b""  # published; empty here, as what was observed is in `inputs`
    payload: bytes = b""  # likewise
    received_at: float = field(default_factory=SystemClock.now)
    urgency: float = 0.0  # 0 to 1, as the client claims
    steps_remaining: int | None = None  # actions the robot still has
    time_until_next: float = math.inf  # s from received_at to its next observation, by cadence
    latency_budget_ms: float = 50.0
    priority: int = 1  # tier, 0 is the most important
    score: float = 0.0  # set when a batch is formed, by schedulers that score
    retry_count: int = 0
    deadline: float = math.inf  # when the answer stops being useful at the server
    supersede: bool = False
    request_id: int = 0  # 0: a published client, which understands no statuses
    epoch: int = 0
    first_of_episode: bool = False
    client_send_ns: int = 0  # client's monotonic clock, echoed
    sent_at: float = math.nan  # the same on our clock, where the offset is known
    accepts_frames: bool = False
    accepts_uint16: bool = False
    by_value: bool = False  # it came by a door, which is handed the reply without frames
    payload_bytes: int = -1  # as received, encoded; below 0 until it is admitted
    inputs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    control_period_s: float = 0.0  # time one step of the robot lasts; 0: unknown
    waiting_since: float = 0.0  # received_at of the oldest observation this one supersedes
    ready_at: float = 0.0  # when its images are decoded, about; 0: they are, or nobody knows
    decoding_s: float = 0.0  # that decoding its images takes the server; 0: none, or nobody knows
    dispatched_at: float = math.nan
    size: int = 0  # bytes, as received
    requery_after_steps: int = 0  # the hint that goes back with its answer, 0: none
    budget_is_stated: bool = True  # by the robot or its operator; False: it is the usual one

    one_way_s: float = field(init=False)  # that it took to get here; 0 where that is unknown
    # When an answer has to leave the server so that it arrives with the robot's last action:
    #
    #     received_at + steps_remaining x control_period_s - 2 x one way
    #
    # Counted from when the observation was sent, where that is known; the way back is taken to
    # last as long as the way here. NaN where the robot does not say how many actions it has, or
    # how long one lasts.
    runs_dry_at: float = field(init=False)

    def __post_init__(self) -> None:
        received = self.received_at
        if not self.waiting_since:
            self.waiting_since = received
        away = received - self.sent_at
        self.one_way_s = away = away if away == away else 0.0  # NaN where sent_at is
        if self.steps_remaining is None or not self.control_period_s:
            self.runs_dry_at = math.nan
        else:
            dry_at = received + self.steps_remaining * self.control_period_s
            self.runs_dry_at = dry_at - 2.0 * away

    def staleness(self, now: float) -> float:
        """Seconds since the client sent it, as far as known, else since it was received."""
        return now - self.received_at + self.one_way_s

    def age(self, now: float) -> float:
        """Seconds since this observation, or the first one it superseded, was received."""
        return now - self.waiting_since

    def slack(self, now: float) -> float:
        """Seconds left until the deadline; negative once it has passed, inf without one."""
        return self.deadline - now

    def in_time(self, left_at: float) -> bool:
        """Whether an answer that leaves the server then is in time."""
        return left_at <= self.deadline

    @property
    def deadline_is_assumed(self) -> bool:
        """Whether nothing that the robot or its operator said tells the deadline."""
        return not self.budget_is_stated and self.runs_dry_at != self.runs_dry_at

    def set_deadline(self) -> None:
        """Note the moment after which an answer is late.

        Where the robot tells when its actions run out, that moment counts, and its latency budget
        where that is stated and earlier. Where it does not: the budget, stated or configured, and
        the next observation that its cadence makes expect (`time_until_next`), which makes this
        one stale; the earlier of both. All are counted from when the observation was sent, where
        that is known, and the way back is taken to last as long as the way here.
        """
        runs_dry_at = self.runs_dry_at
        left_s = self.latency_budget_ms / 1000.0
        if runs_dry_at != runs_dry_at:  # NaN: it does not tell
            left_s = min(left_s, self.time_until_next)
            self.deadline = self.received_at + left_s - 2.0 * self.one_way_s
        elif self.budget_is_stated:
            self.deadline = min(runs_dry_at, self.received_at + left_s - 2.0 * self.one_way_s)
        else:
            self.deadline = runs_dry_at


class Call(NamedTuple):
    """The call of a model that served a request."""

    version: str
    batch_size: int  # observations that shared it
    seconds: float
    valid_for_ms: float = 0.0  # lease on its answers, counted from their observation; 0: none
