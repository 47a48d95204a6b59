"""A client of one model: what it waits for, how often it asks, and what it was given."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..request import InferenceRequest

_SLOW = 0.1  # weight of the newest value in the slow averages of a client
_JITTERS = 2.0  # average errors of the time on the network, by which a deadline is brought forward


@dataclass(eq=False, slots=True)
class ClientQueue:
    """The observations of one client, of which only the oldest one, the head, can be chosen."""

    client_id: str
    head: InferenceRequest | None = None
    deadline: float = math.inf  # the earliest one of its observations
    static_worth: float = 0.0  # the greatest one of them, but for what time adds
    served_at: float = -math.inf  # when the model was last given one
    throttled_until: float = -math.inf  # until then it has had more than its cadence asks for
    arrived_at: float = -math.inf
    interval: float = math.nan  # s between arrivals, slow average
    uplink_s: float = math.nan  # one way on the network, slow average
    uplink_jitter_s: float = 0.0  # how far newer ones are from that on average
    horizon: int = 0  # actions in the newest answer, 0 where unknown
    period_s: float = 0.0  # time one of its steps lasts, 0 where unknown
    observed_at: float = math.nan  # when the observation was made that was answered last
    natural_steps: float = 0.0  # steps between its observations while nobody hints, 0: unknown
    hinted_steps: int = 0  # the newest hint it was given
    follows_hints: bool = True  # it asked no sooner than a hint said
    supplied_until: float = -math.inf  # its newest answer holds actions until then
    knows_at: float = -math.inf  # what arrives before was sent without that answer

    @property
    def rate(self) -> float:
        """Observations per second that it needs answered; NaN where unknown."""
        if self.natural_steps and self.period_s:
            return 1.0 / (self.natural_steps * self.period_s)
        return 1.0 / self.interval if self.interval > 0 else math.nan

    @property
    def since(self) -> float:
        """Since when it has had nothing although it waits."""
        assert self.head is not None
        return max(self.head.waiting_since, self.served_at)

    def record_arrival(self, request: InferenceRequest) -> None:
        """Learn from an observation that arrived of the client's rate and of the network."""
        received = request.received_at
        passed = received - self.arrived_at
        if passed < math.inf:
            usual = self.interval
            self.interval = usual + _SLOW * (passed - usual) if usual == usual else passed
        self.arrived_at = received
        self.period_s = request.control_period_s
        away = received - request.sent_at
        if away == away:  # the client knows our clock
            usual = self.uplink_s
            if usual == usual:
                self.uplink_jitter_s += _SLOW * (abs(away - usual) - self.uplink_jitter_s)
                self.uplink_s = usual + _SLOW * (away - usual)
            else:
                self.uplink_s = away

    def deadline_of(self, request: InferenceRequest) -> float:
        """The deadline of an observation, less a margin for the jitter of the network.

        A robot that said it was dry before it could get an answer that was sent to it meanwhile
        has until that answer's actions end.
        """
        if request.steps_remaining == 0 and request.received_at <= self.knows_at:
            return max(request.deadline, self.supplied_until)
        return request.deadline - _JITTERS * self.uplink_jitter_s
