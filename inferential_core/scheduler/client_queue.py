"""What waits of one client for one model, and what is known of how that client asks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..request import InferenceRequest
from .anticipation import MARGIN, TIMER_S, Pause

_SLOW = 0.1  # weight of the newest value in the slow averages of a client
_CADENCE = 5  # intervals of a client that are seen before its next observation is predicted
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
    intervals: int = 0  # that were seen
    interval_error_s: float = 0.0  # how far newer ones are from that on average
    uplink_s: float = math.nan  # one way on the network, slow average
    uplink_jitter_s: float = 0.0  # how far newer ones are from that on average
    answers: int = 0  # with actions
    horizon: int = 0  # actions in the newest answer, 0 where unknown
    period_s: float = 0.0  # time one of its steps lasts, 0 where unknown
    observed_at: float = math.nan  # when the observation was made that was answered last
    tier: int = 1
    budget_s: float = math.inf  # to a deadline that is no moment at which it runs dry
    natural_steps: float = 0.0  # steps between its observations while nobody hints, 0: unknown
    hinted_steps: int = 0  # the newest hint it was given
    follows_hints: bool = True  # it asked no sooner than a hint said
    supplied_until: float = -math.inf  # its newest answer holds actions until then
    pause: Pause = field(default_factory=Pause)
    knows_at: float = -math.inf  # what arrives before was sent without that answer

    @property
    def rate(self) -> float:
        """Observations per second that it needs answered; NaN where unknown.

        Where it is not known by its second answer when the robot asks by itself: one for a chunk.
        """
        steps = self.natural_steps or (self.horizon if self.answers > 1 else math.nan)
        asks_after_s = steps * self.period_s if self.horizon else self.interval
        return 1.0 / asks_after_s if asks_after_s > 0 else math.nan

    @property
    def window_s(self) -> float:
        """From the arrival of an observation that it sends by itself to its deadline; inf where
        that is not known.
        """
        if not self.natural_steps:
            return self.budget_s
        away_s = self.uplink_s if self.uplink_s == self.uplink_s else 0.0
        left_s = (self.horizon - self.natural_steps) * self.period_s - 2.0 * away_s
        return min(self.budget_s, left_s)

    @property
    def scatter_s(self) -> float:
        """By how much its next observation may come later than its cadence says; inf: unknown."""
        if self.intervals < _CADENCE:
            return math.inf
        return MARGIN * self.interval_error_s + TIMER_S

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
            self.intervals += 1
            if usual == usual:
                self.interval = usual + _SLOW * (passed - usual)
                self.interval_error_s += _SLOW * (abs(passed - usual) - self.interval_error_s)
            else:
                self.interval = passed
        self.arrived_at = received
        runs_dry = request.deadline == request.runs_dry_at
        self.budget_s = math.inf if runs_dry else request.deadline - received
        self.period_s = request.control_period_s
        self.tier = request.priority
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
