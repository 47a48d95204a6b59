"""Records what each client was served, and computes when it had better ask again."""

from __future__ import annotations

import math

from ..request import InferenceRequest
from .client_queue import ClientQueue
from .model_queue import ModelQueue

_OUTRUN = 1.5  # times its cadence a client may be served before it is charged
_DEBT = 4.0  # cadences it can be charged for at most, so that it is not shut out
_FILL = 0.9  # share of the model's time that is promised
_BATCHES = 2.0  # an observation waits for the batch at hand and then for its own
_LOST = 0.25  # share of a chunk that an overloaded fleet asks before it is used up, at most
_AT_ONCE = 2.0  # steps after its answer was there, within which a robot asks because of it
_SHORTEST_SPAN_S = 5e-3  # in which expected observations are counted together
_EARLY = 2  # steps before a hint says so, at which still those ask who go by it


def record_service(client: ClientQueue, request: InferenceRequest) -> None:
    """An observation is given to the model: the next one may be asked for in a while.

    An honest robot asks again when it has used so many actions as it says it has: horizon -
    steps_remaining of them. One that claims to be dry all the time claims to have used them all.
    Where that is not known, the cadence counts that was learned of it. Until 1 / 1.5 of that time
    has passed, the client goes behind all others. Charged is what is served, not what is asked.
    """
    interval = client.interval
    if client.horizon and request.steps_remaining is not None and request.control_period_s > 0.0:
        used = max(1, client.horizon - request.steps_remaining)
        interval = used * request.control_period_s
    if interval > 0.0:  # known
        pause = interval / _OUTRUN
        begins = max(client.throttled_until, request.received_at)
        client.throttled_until = min(begins + pause, client.served_at + _DEBT * pause)


def record_answer(
    queue: ModelQueue,
    calendar: Calendar,
    client: ClientQueue,
    request: InferenceRequest,
    now: float,
    horizon: int,
) -> int:
    """A request was answered with a chunk of `horizon` actions; after how many to ask again.

    0: whenever the robot would by itself.
    """
    period = request.control_period_s
    away = 0.0 if math.isnan(request.sent_at) else request.received_at - request.sent_at
    observed = request.received_at - away
    steps = request.steps_remaining
    stood = steps == 0 and request.received_at > client.knows_at
    begins = now + away if stood else observed  # what stands still loses no action
    runs_dry = begins + horizon * period
    passed = observed - client.observed_at
    # What it asks as soon as it is answered, it would have asked before.
    at_once = request.received_at <= client.knows_at + _AT_ONCE * period
    client.horizon, client.observed_at = horizon, observed
    client.answers += 1
    queue.record_supply(client, observed + horizon * period - away, now + 2 * away)
    if steps:
        _learn_when_it_asks(client, horizon, steps, passed / period, at_once)
    client.hinted_steps = 0
    if not client.natural_steps or not (steps or stood):
        return 0
    natural = max(now + 2 * away, begins + away + client.natural_steps * period)
    seconds = queue.timing.seconds
    largest = len(seconds) - 1
    # It has to arrive two batches and the way back before the robot is dry, in whole steps.
    size = min(queue.fleet.batch_size or largest, largest)
    early = _BATCHES * seconds[size]
    if queue.fleet.overloaded:  # what is left of a chunk when the next one comes is lost
        width = seconds[largest]
        early = max(width, min(_BATCHES * width, _LOST * horizon * period))
    latest = runs_dry - period - away - early if client.follows_hints else natural
    if queue.fleet.overloaded:
        at = max(natural, latest)
    else:
        at = calendar.book(natural, latest, now, seconds[size], size / queue.timing.pace)
    if at > natural:
        client.hinted_steps = min(horizon, int((at - away - begins) / period + 0.5))
    return client.hinted_steps


def _learn_when_it_asks(
    client: ClientQueue, horizon: int, steps: int, passed: float, at_once: bool
) -> None:
    """It asked when so many steps were left, `passed` steps after its observation before.

    at_once: it asked as soon as it was answered, so at the latest moment at which it would have.

    Whole steps are told: it asked up to one sooner. The time that passed tells the rest.
    """
    asked_after = max(1.0, horizon - steps)
    if passed < asked_after:
        asked_after = max(passed, asked_after - 1.0)
    if client.hinted_steps and asked_after + _EARLY < client.hinted_steps:
        client.follows_hints = False
    if at_once and 0.0 < client.natural_steps <= asked_after:
        return
    if not client.hinted_steps or not client.follows_hints:
        client.natural_steps = asked_after


class Calendar:
    """Counts the observations expected in each span of time, as long as a full batch, or as many
    batches of a model that takes next to no time.

    A robot may ask between the moment it would by itself and the last one at which it can still
    be answered before it runs dry; it is given the first span in between that is not full, so
    that the load is spread and a fleet that asks more than the model can answer asks less often.
    O(spans between the two), at most the length of a chunk in batches.
    """

    def __init__(self) -> None:
        self._expected: dict[int, int] = {}  # span -> observations
        self._width_s = 0.0
        self._oldest = 0

    def book(
        self, natural: float, latest: float, now: float, width_s: float, batch: float
    ) -> float:
        """When to ask, `natural` or later; counted as expected then.

        natural, latest: when the observation would arrive, and the last moment at which a robot
        can still be served in time. width_s: time of a full batch of `batch` observations.
        """
        if width_s <= 0.0:
            return natural
        self._turn_to(now, max(width_s, _SHORTEST_SPAN_S))
        first = int(natural / self._width_s)
        last = max(first, int(latest / self._width_s))
        room = max(1.0, _FILL * batch * self._width_s / width_s)
        span = first
        while span < last and self._expected.get(span, 0) + 1 > room:
            span += 1
        taken = self._expected.get(span, 0)
        self._expected[span] = taken + 1
        if span == first:
            return natural
        return min(latest, (span + min(1.0, taken / room)) * self._width_s)

    def _turn_to(self, now: float, width_s: float) -> None:
        if not 0.5 * width_s < self._width_s < 2.0 * width_s:  # another model than it was
            self._expected.clear()
            self._width_s = width_s
            self._oldest = int(now / width_s)
        present = int(now / self._width_s)
        if present - self._oldest > 1000:
            self._expected = {s: n for s, n in self._expected.items() if s >= present}
            self._oldest = present
        while self._oldest < present:
            self._expected.pop(self._oldest, None)
            self._oldest += 1
