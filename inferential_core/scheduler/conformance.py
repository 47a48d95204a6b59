"""Checks a scheduler of a user's against what a server needs of it.

Its five published methods are called (`conformance_calls`), in real time and in time that stands
(`standing_time`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from time import sleep
from typing import Any

from ..config.schema import SchedulingConfig
from ..request import InferenceRequest
from .conformance_calls import Driven, Factory, Failure, Finding, changed, observations, run_checks
from .standing_time import StandingTime

CALL_S = 0.25  # what a scheduler has for a call in a server, before the server decides without it
HELD_S = 0.25  # for which a model that is free may be given nothing of what waits
STEP_S = 0.01  # after which a server asks again
_TRIES = 3  # to be quick enough, as a machine may be busy with something else


def check_scheduler(make: Factory) -> Iterator[Finding]:
    """The findings about a scheduler that `make` constructs, one after the other."""
    yield from run_checks(make, _SCHEDULER_CHECKS)


def _with(check: Callable[[Driven], None]) -> Callable[[Factory], None]:
    """The check, on a scheduler of its own."""

    def run(make: Factory) -> None:
        driven = Driven(make)
        try:
            check(driven)
        finally:
            driven.close()

    return run


def _in_standing_time(
    check: Callable[[Driven, StandingTime], None],
) -> Callable[[Factory], None]:
    """The check, on a scheduler of its own for which time stands."""

    def run(make: Factory) -> None:
        with StandingTime() as time:
            driven = Driven(make)
            time.given(driven.scheduler)
            try:
                check(driven, time)
            finally:
                driven.close()

    return run


def _empty(driven: Driven) -> None:
    for _ in range(3):
        driven.tick()
        if driven.next_batch():
            raise Failure("next_batch of an empty queue returned something")
    if length := driven.queue_len():
        raise Failure(f"queue_len of an empty queue is {length}")


def _once(driven: Driven) -> None:
    submitted = observations(200)
    driven.submit(*submitted)
    driven.drain(submitted)
    if length := driven.queue_len():
        raise Failure(f"queue_len is {length} after all were returned")


def _counts(driven: Driven) -> None:
    driven.submit(*observations(25))
    if (length := driven.queue_len()) != 25:
        raise Failure(f"queue_len is {length} after 25 observations were submitted")


def _in_between(driven: Driven) -> None:
    submitted = observations(120)
    returned: set[InferenceRequest] = set()
    for index, request in enumerate(submitted):
        driven.submit(request)
        if index % 3 == 2:
            for each in driven.next_batch():
                if each in returned:
                    raise Failure("next_batch returned an observation for a second time")
                returned.add(each)
    driven.drain([each for each in submitted if each not in returned])


def _order(driven: Driven) -> None:
    submitted = observations(120, clients=4)
    driven.submit(*submitted)
    newest: dict[str, float] = {}
    for request in driven.drain(submitted):
        if request.received_at < newest.get(request.client_id, -math.inf):
            raise Failure(
                "a newer observation of a client came before an older one of the same client"
            )
        newest[request.client_id] = request.received_at


def _models(driven: Driven) -> None:
    submitted = observations(60)
    for index, request in enumerate(submitted):
        request.model_id = f"model-{index % 3}"
    driven.submit(*submitted)
    driven.drain(submitted)


def _many_at_one_moment(driven: Driven, time: StandingTime) -> None:
    full = SchedulingConfig().max_batch_size
    waiting: set[InferenceRequest] = set()
    for _ in range(300):
        came = observations(2, received_at=time.now())
        driven.submit(*came)
        waiting.update(came)
        batch = driven.next_batch()
        waiting.difference_update(batch)
        if not batch and len(waiting) >= full:
            raise Failure(
                f"next_batch returned nothing while {len(waiting)} observations waited, where the"
                " clock stood: it waits for time to pass although a batch is full"
            )


def _not_held(driven: Driven, time: StandingTime) -> None:
    submitted = observations(3, received_at=time.now())
    driven.submit(*submitted)
    waiting = set(submitted)
    served_at = time.now()
    while waiting:
        left = waiting.difference(driven.next_batch())
        if left != waiting:
            waiting, served_at = left, time.now()
            continue
        if time.now() - served_at > HELD_S:
            raise Failure(
                f"next_batch returned none of {len(waiting)} observations for"
                f" {1000 * HELD_S:.0f} ms: meanwhile a model would have been idle"
            )
        driven.tick()
        time.advance(STEP_S)
        sleep(STEP_S)  # for who goes by a clock that does not stand


def _extremes(driven: Driven) -> None:
    odd: list[dict[str, Any]] = [
        {"deadline": math.inf},
        {"deadline": -math.inf},
        {"priority": 10**9},
        {"steps_remaining": 10**9, "control_period_s": 1e-9},
        {"urgency": 1.0, "steps_remaining": 0},
        {"time_until_next": 0.0, "latency_budget_ms": 1e-9},
        {"client_id": "", "model_id": ""},
    ]
    submitted = [changed(request, **odd[index]) for index, request in enumerate(observations(7))]
    driven.submit(*submitted)
    driven.drain(submitted)


def _huge(make: Factory) -> None:
    def drain(driven: Driven) -> None:
        submitted = observations(1000)  # as many as wait by default, at most
        driven.submit(*submitted)
        driven.drain(submitted)
        slowest.append(driven.slowest_s)

    slowest: list[float] = []
    for _ in range(_TRIES):
        _with(drain)(make)
        if slowest[-1] <= CALL_S:
            return
    took, most = 1000 * min(slowest), 1000 * CALL_S
    raise Failure(f"a call took {took:.0f} ms while 1000 waited, and has {most:.0f} ms")


def _status(driven: Driven) -> None:
    driven.submit(*observations(5))
    status = driven.status()
    if not isinstance(status, dict):
        raise Failure(f"status returned {type(status).__name__}, and must return a dict")
    try:
        json.dumps(status, default=str)
    except (TypeError, ValueError) as error:
        raise Failure(f"status cannot be shown: {error}") from None


def _changes(make: Factory) -> None:
    submitted = observations(60)
    first, second = Driven(make), Driven(make)
    try:
        first.submit(*submitted)
        taken = {each for _ in range(3) for each in first.next_batch()}
        rest = [each for each in submitted if each not in taken]
        second.submit(*rest)
        second.drain(rest)
    finally:
        first.close()
        second.close()


_SCHEDULER_CHECKS: dict[str, Callable[[Factory], None]] = {
    "nothing waits: nothing is returned": _with(_empty),
    "each observation is returned once, and none is lost": _with(_once),
    "queue_len counts what waits": _with(_counts),
    "observations may come between two batches": _with(_in_between),
    "the observations of a client keep their order": _with(_order),
    "several models may be asked": _with(_models),
    "hundreds of choices may be made at one moment": _in_standing_time(_many_at_one_moment),
    "what waits is not held while the model is free": _in_standing_time(_not_held),
    "odd values are taken": _with(_extremes),
    "a full queue is served in time": _huge,
    "status can be shown": _with(_status),
    "what waits may move to another scheduler": _changes,
}
