"""Checks a scheduler or a scoring policy of a user's against what a server needs of it.

A scheduler is called through its five published methods, a policy with one observation after the
other. Each call runs on a thread of its own and has a time limit, so that code that hangs fails a
check and nothing else.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import count
from time import monotonic, sleep
from typing import Any, NamedTuple, TypeVar

from ..config.schema import SchedulingConfig
from ..errors import describe
from ..request import InferenceRequest
from .base import Policy, Scheduler
from .batching import BatchScheduler
from .user_code import UserThread

T = TypeVar("T")

CALL_S = 0.25  # what a scheduler has for a call in a server, before the server decides without it
HANGS_S = 5.0  # a call that takes so long is given up
DRAIN_S = 5.0  # in which all that was submitted must have been served
POLICY_S = 0.02  # what a policy has for all that wait

Factory = Callable[[SchedulingConfig], Scheduler]


class Finding(NamedTuple):
    """What one check found."""

    check: str  # what is expected
    problem: str  # what was found instead; empty: it holds


class Failure(Exception):
    """A check does not hold; the text says why."""


class Hangs(Failure):
    """A call does not return: each further check would wait for it, too."""


def check_scheduler(make: Factory) -> Iterator[Finding]:
    """The findings about a scheduler that `make` constructs, one after the other."""
    yield from _run(make, _SCHEDULER_CHECKS)


def check_policy(policy: Policy) -> Iterator[Finding]:
    """The findings about a scoring policy."""
    yield from _run(policy, _POLICY_CHECKS)


def _run(subject: Any, checks: Mapping[str, Callable[[Any], None]]) -> Iterator[Finding]:
    for text, check in checks.items():
        try:
            check(subject)
            yield Finding(text, "")
        except Hangs as failure:
            yield Finding(text, f"{failure}; the checks after this one are left out")
            return
        except Failure as failure:
            yield Finding(text, str(failure))


class _Driven:
    """A scheduler whose calls have a time limit and whose answers are looked at."""

    def __init__(self, make: Factory) -> None:
        self._thread = UserThread("scheduler under test")
        self.slowest_s = 0.0
        self._hidden: Failure | None = None  # what a server would log and make good
        self.scheduler: Scheduler = self._call("__init__", lambda: make(SchedulingConfig()))
        if isinstance(self.scheduler, BatchScheduler):
            self._unguard(self.scheduler)

    def submit(self, *requests: InferenceRequest) -> None:
        for request in requests:
            self._call("submit", partial(self.scheduler.submit, request))

    def next_batch(self) -> list[InferenceRequest]:
        batch = self._call("next_batch", lambda: self.scheduler.next_batch())
        if not isinstance(batch, list):
            raise Failure(f"next_batch returned {type(batch).__name__}, and must return a list")
        for each in batch:
            if not isinstance(each, InferenceRequest):
                raise Failure(f"next_batch returned a list with {type(each).__name__} in it")
        return batch

    def tick(self) -> None:
        self._call("tick", lambda: self.scheduler.tick())

    def status(self) -> Any:
        return self._call("status", lambda: self.scheduler.status())

    def queue_len(self) -> int:
        length = self._call("queue_len", lambda: self.scheduler.queue_len())
        if not isinstance(length, int):
            raise Failure(f"queue_len returned {type(length).__name__}, and must return an int")
        return length

    def drain(self, submitted: list[InferenceRequest]) -> list[InferenceRequest]:
        """All it returns until it has returned each of them, and no more within `DRAIN_S`."""
        waiting = set(submitted)
        served: Counter[InferenceRequest] = Counter()
        order: list[InferenceRequest] = []
        end = monotonic() + DRAIN_S
        while waiting:
            batch = self.next_batch()
            for request in batch:
                served[request] += 1
                if request not in waiting:
                    again = "for a second time" if served[request] > 1 else "that it never got"
                    raise Failure(f"next_batch returned an observation {again}")
                waiting.discard(request)
                order.append(request)
            if not batch:
                if monotonic() > end:
                    lost = f"{len(waiting)} of {len(submitted)} observations"
                    raise Failure(f"{lost} were not returned within {DRAIN_S:.0f} s")
                self.tick()
                sleep(0.001)
        return order

    def close(self) -> None:
        self._thread.close()

    def _unguard(self, strategy: BatchScheduler) -> None:
        """Keep what it does wrong, which its base class hides: a server goes on without it."""
        form = strategy.form

        def checked(
            model_id: str, limit: int, *situation: Any, **more: Any
        ) -> list[InferenceRequest]:
            batch = form(model_id, limit, *situation, **more)
            _check_choice(batch, limit, set(strategy.pending.of(model_id)))
            return batch

        def complain(method: str, instead: str, error: BaseException) -> None:
            found = error if isinstance(error, Failure) else None
            self._hidden = found or Failure(f"{method} raised {describe(error)}")

        strategy.form = checked  # type: ignore[method-assign]
        strategy.complain = complain  # type: ignore[method-assign]

    def _call(self, method: str, work: Callable[[], T]) -> T:
        began = monotonic()
        answer = self._thread.begin(work)
        if not answer.ready(HANGS_S):
            raise Hangs(f"{method} did not return within {HANGS_S:.0f} s")
        self.slowest_s = max(self.slowest_s, monotonic() - began)
        try:
            value = answer.get()
        except BaseException as error:
            raise Failure(f"{method} raised {describe(error)}") from None
        if self._hidden is not None:
            raise self._hidden
        return value  # type: ignore[return-value]


def _check_choice(
    batch: list[InferenceRequest], limit: int, waiting: set[InferenceRequest]
) -> None:
    """Failure where `choose` returned what no batch can be made of as it is."""
    if not isinstance(batch, list):
        raise Failure(f"choose returned {type(batch).__name__}, and must return a list")
    if len(batch) > limit:
        raise Failure(f"choose returned {len(batch)} observations where limit was {limit}")
    if not all(isinstance(each, InferenceRequest) and each in waiting for each in batch):
        raise Failure("choose returned something that does not wait for the model")
    if len(set(batch)) < len(batch):
        raise Failure("choose returned an observation twice in one batch")


_numbers = count(1)


def _requests(number: int, clients: int = 10, **fields: Any) -> list[InferenceRequest]:
    """Observations of several clients, oldest first, a millisecond apart."""
    now = monotonic()
    return [
        InferenceRequest(
            f"client-{index % clients}",
            "policy",
            received_at=fields.get("received_at", now + 0.001 * index),
            request_id=next(_numbers),
            priority=index % 3,
            urgency=(index % 5) / 4,
            steps_remaining=None if index % 7 == 0 else index % 20,
            deadline=now + 0.05 * (index % 11),
        )
        for index in range(number)
    ]


def _with(check: Callable[[_Driven], None]) -> Callable[[Factory], None]:
    """The check, on a scheduler of its own."""

    def run(make: Factory) -> None:
        driven = _Driven(make)
        try:
            check(driven)
        finally:
            driven.close()

    return run


def _empty(driven: _Driven) -> None:
    for _ in range(3):
        driven.tick()
        if driven.next_batch():
            raise Failure("next_batch of an empty queue returned something")
    if length := driven.queue_len():
        raise Failure(f"queue_len of an empty queue is {length}")


def _once(driven: _Driven) -> None:
    submitted = _requests(200)
    driven.submit(*submitted)
    driven.drain(submitted)
    if length := driven.queue_len():
        raise Failure(f"queue_len is {length} after all were returned")


def _counts(driven: _Driven) -> None:
    driven.submit(*_requests(25))
    if (length := driven.queue_len()) != 25:
        raise Failure(f"queue_len is {length} after 25 observations were submitted")


def _in_between(driven: _Driven) -> None:
    submitted = _requests(120)
    returned: set[InferenceRequest] = set()
    for index, request in enumerate(submitted):
        driven.submit(request)
        if index % 3 == 2:
            for each in driven.next_batch():
                if each in returned:
                    raise Failure("next_batch returned an observation for a second time")
                returned.add(each)
    driven.drain([each for each in submitted if each not in returned])


def _order(driven: _Driven) -> None:
    submitted = _requests(120, clients=4)
    driven.submit(*submitted)
    newest: dict[str, float] = {}
    for request in driven.drain(submitted):
        if request.received_at < newest.get(request.client_id, -math.inf):
            raise Failure(
                "a newer observation of a client came before an older one of the same client"
            )
        newest[request.client_id] = request.received_at


def _models(driven: _Driven) -> None:
    submitted = _requests(60)
    for index, request in enumerate(submitted):
        request.model_id = f"model-{index % 3}"
    driven.submit(*submitted)
    driven.drain(submitted)


def _clock_stands(driven: _Driven) -> None:
    submitted = _requests(60, received_at=monotonic())
    driven.submit(*submitted)
    driven.drain(submitted)


def _extremes(driven: _Driven) -> None:
    odd: list[dict[str, Any]] = [
        {"deadline": math.inf},
        {"deadline": -math.inf},
        {"priority": 10**9},
        {"steps_remaining": 10**9, "control_period_s": 1e-9},
        {"urgency": 1.0, "steps_remaining": 0},
        {"time_until_next": 0.0, "latency_budget_ms": 1e-9},
        {"client_id": "", "model_id": ""},
    ]
    submitted = [_changed(request, **odd[index]) for index, request in enumerate(_requests(7))]
    driven.submit(*submitted)
    driven.drain(submitted)


def _changed(request: InferenceRequest, **fields: Any) -> InferenceRequest:
    """The same observation with other fields."""
    made = replace(request)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def _huge(driven: _Driven) -> None:
    submitted = _requests(1000)  # as many as wait by default, at most
    driven.submit(*submitted)
    driven.drain(submitted)
    if driven.slowest_s > CALL_S:
        slowest, most = 1000 * driven.slowest_s, 1000 * CALL_S
        raise Failure(f"a call took {slowest:.0f} ms while 1000 waited, and has {most:.0f} ms")


def _status(driven: _Driven) -> None:
    driven.submit(*_requests(5))
    status = driven.status()
    if not isinstance(status, dict):
        raise Failure(f"status returned {type(status).__name__}, and must return a dict")
    try:
        json.dumps(status, default=str)
    except (TypeError, ValueError) as error:
        raise Failure(f"status cannot be shown: {error}") from None


def _changes(make: Factory) -> None:
    submitted = _requests(60)
    first, second = _Driven(make), _Driven(make)
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
    "observations may come at one moment": _with(_clock_stands),
    "odd values are taken": _with(_extremes),
    "a full queue is served in time": _with(_huge),
    "status can be shown": _with(_status),
    "what waits may move to another scheduler": _changes,
}


def _scores(policy: Policy, requests: list[InferenceRequest]) -> float:
    """Seconds that the scores of all of them took."""
    thread = UserThread("policy under test")
    began = monotonic()
    try:
        answer = thread.begin(lambda: [policy(request) for request in requests])
        if not answer.ready(HANGS_S):
            raise Hangs(f"it did not return within {HANGS_S:.0f} s")
        took = monotonic() - began
        try:
            scores = answer.get() or []
        except BaseException as error:
            raise Failure(f"it raised {describe(error)}") from None
    finally:
        thread.close()
    for score in scores:
        try:
            number = float(score)
        except (TypeError, ValueError):
            raise Failure(f"a score is {score!r}, and must be a number") from None
        if number != number:
            raise Failure("a score is NaN, which has no place in any order")
    return took


def _scores_all(policy: Policy) -> None:
    _scores(policy, _requests(200))


def _scores_extremes(policy: Policy) -> None:
    fields: list[dict[str, Any]] = [
        {"deadline": math.inf},
        {"steps_remaining": None},
        {"steps_remaining": 0, "control_period_s": 0.0},
        {"priority": 10**9},
        {"time_until_next": math.inf},
    ]
    requests = _requests(len(fields))
    _scores(policy, [_changed(each, **odd) for each, odd in zip(requests, fields)])


def _scores_in_time(policy: Policy) -> None:
    took = min(_scores(policy, _requests(1000)) for _ in range(3))
    if took > POLICY_S:
        raise Failure(
            f"1000 scores took {1000 * took:.0f} ms, and have {1000 * POLICY_S:.0f} ms together"
        )


_POLICY_CHECKS: dict[str, Callable[[Policy], None]] = {
    "every observation has a score that is a number": _scores_all,
    "odd values have one, too": _scores_extremes,
    "the scores of a full queue come in time": _scores_in_time,
}
