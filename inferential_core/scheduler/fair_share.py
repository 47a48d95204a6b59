"""What a client has been given: who has had its share, and when each had better ask again."""

from __future__ import annotations

import math

from ..request import InferenceRequest
from .client_queue import ClientQueue
from .hints import latest_arrival
from .model_queue import ModelQueue

_OUTRUN = 1.5  # times its cadence a client may be served before it is charged
_DEBT = 4.0  # cadences it can be charged for at most, so that it is not shut out
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
    queue: ModelQueue, client: ClientQueue, request: InferenceRequest, now: float, horizon: int
) -> int:
    """A request was answered with a chunk of `horizon` actions; after how many to ask again.

    0: whenever the robot would by itself.
    """
    period = request.control_period_s
    away = 0.0 if math.isnan(request.sent_at) else request.received_at - request.sent_at
    observed = request.received_at - away
    runs_dry = observed + horizon * period
    passed = observed - client.observed_at
    client.horizon, client.observed_at = horizon, observed
    queue.record_supply(client, runs_dry - away, now + 2 * away)
    steps = request.steps_remaining
    if not steps:  # it was dry: nothing is known of when it asks by itself
        return 0
    # Whole steps are told: it asked up to one sooner. The time that passed tells the rest.
    asked_after = max(1.0, horizon - steps)
    if passed < asked_after * period:
        asked_after = max(passed / period, asked_after - 1.0)
    if client.hinted_steps and asked_after + _EARLY < client.hinted_steps:
        client.follows_hints = False
    if not client.hinted_steps or not client.follows_hints:
        client.natural_steps = asked_after
    natural = max(now + 2 * away, observed + away + client.natural_steps * period)
    seconds = queue.timing.seconds
    largest = len(seconds) - 1
    width = seconds[largest]
    told_dry = runs_dry - period  # at the earliest, in whole steps
    latest = latest_arrival(told_dry, away, width) if client.follows_hints else natural
    at = queue.calendar.book(natural, latest, now, width, largest / queue.timing.pace)
    client.hinted_steps = 0
    if at > natural:
        client.hinted_steps = min(horizon, int((at - away - observed) / period + 0.5))
    return client.hinted_steps
