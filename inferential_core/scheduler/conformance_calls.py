"""Calls a user's scheduler as checks do: with a time limit, and a look at what it returns.

Each call runs on a thread of its own, so that code that hangs fails a check and nothing else.
"""

from __future__ import annotations

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
from .base import Scheduler
from .batching import BatchScheduler
from .user_code import UserThread

T = TypeVar("T")

HANGS_S = 5.0  # a call that takes so long is given up
DRAIN_S = 5.0  # in which all that was submitted must have been served

Factory = Callable[[SchedulingConfig], Scheduler]


class Finding(NamedTuple):
    """What one check found."""

    check: str  # what is expected
    problem: str  # what was found instead; empty: it holds


class Failure(Exception):
    """A check does not hold; the text says why."""


class Hangs(Failure):
    """A call does not return: each further check would wait for it, too."""


def run_checks(subject: Any, checks: Mapping[str, Callable[[Any], None]]) -> Iterator[Finding]:
    """What each check finds of a subject, up to a call that hangs."""
    for text, check in checks.items():
        try:
            check(subject)
            yield Finding(text, "")
        except Hangs as failure:
            yield Finding(text, f"{failure}; the checks after this one are left out")
            return
        except Failure as failure:
            yield Finding(text, str(failure))


class Driven:
    """A scheduler whose calls have a time limit and whose answers are looked at."""

    def __init__(self, make: Factory) -> None:
        self._thread = UserThread("scheduler under test")
        self.slowest_s = 0.0
        self._hidden: Failure | None = None  # what a server would log and make good
        self.scheduler: Scheduler = self._call("__init__", lambda: make(SchedulingConfig()))
        if isinstance(self.scheduler, BatchScheduler):
            self._unguard(self.scheduler)

    def submit(self, *requests: InferenceRequest) -> None:
        """Submit one after the other."""
        for request in requests:
            self._call("submit", partial(self.scheduler.submit, request))

    def next_batch(self) -> list[InferenceRequest]:
        """The next batch; Failure where that is none."""
        batch = self._call("next_batch", lambda: self.scheduler.next_batch())
        if not isinstance(batch, list):
            raise Failure(f"next_batch returned {type(batch).__name__}, and must return a list")
        for each in batch:
            if not isinstance(each, InferenceRequest):
                raise Failure(f"next_batch returned a list with {type(each).__name__} in it")
        return batch

    def tick(self) -> None:
        """As a server does while requests wait."""
        self._call("tick", lambda: self.scheduler.tick())

    def status(self) -> Any:
        """Whatever it tells."""
        return self._call("status", lambda: self.scheduler.status())

    def queue_len(self) -> int:
        """Its number; Failure where that is none."""
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
        """No more calls."""
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


def observations(number: int, clients: int = 10, **fields: Any) -> list[InferenceRequest]:
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


def changed(request: InferenceRequest, **fields: Any) -> InferenceRequest:
    """The same observation with other fields."""
    made = replace(request)
    for name, value in fields.items():
        setattr(made, name, value)
    return made
