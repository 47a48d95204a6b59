"""Schedulers that users write: the five methods, driven as if they were one of ours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from own_scheduler import OwnScheduler

from inferential_core.clock import FakeClock
from inferential_core.config.schema import SchedulingConfig
from inferential_core.request import InferenceRequest
from inferential_core.scheduler.base import Scheduler
from inferential_core.scheduler.custom import CustomScheduler
from inferential_core.status import Status
from inferential_core.tracking.latency import LatencyModel


def drive(user: Scheduler, clock: FakeClock | None = None, **options: object) -> CustomScheduler:
    return CustomScheduler(user, SchedulingConfig(**options), clock or FakeClock())


def request(
    client: str = "robot", at: float = 0.0, model: str = "policy", supersede: bool = False
) -> InferenceRequest:
    return InferenceRequest(client, model, received_at=at, supersede=supersede)


def pick(
    made: CustomScheduler, limit: int = 64, now: float = 0.0, model: str = "policy"
) -> list[InferenceRequest]:
    return made.pick(model, limit, now, LatencyModel())


def test_the_published_scheduler_decides_what_is_served() -> None:
    made = drive(OwnScheduler())
    requests = [request(f"robot_{index}") for index in range(20)]
    for each in requests:
        made.submit(each)
    assert [pick(made) for _ in range(4)] == [requests[:8], requests[8:16], requests[16:], []]
    assert made.queue_len() == 0


def test_a_batch_larger_than_the_model_takes_is_served_in_parts() -> None:
    made = drive(OwnScheduler())
    requests = [request(f"robot_{index}") for index in range(8)]
    for each in requests:
        made.submit(each)
    assert [pick(made, limit=3) for _ in range(4)] == [
        requests[:3],
        requests[3:6],
        requests[6:],
        [],
    ]


def test_a_batch_that_mixes_models_is_served_by_each_of_them() -> None:
    made = drive(OwnScheduler())
    mixed = [request(model=name) for name in ("x", "y", "x", "y")]
    for each in mixed:
        made.submit(each)
    assert pick(made, model="x") == mixed[::2]
    assert pick(made, model="y") == mixed[1::2]


def test_a_free_model_waits_for_no_timer_because_others_are_first_in_the_users_queue() -> None:
    made = drive(OwnScheduler())
    for _ in range(30):
        made.submit(request(model="busy"))
    wanted = request(model="free")
    made.submit(wanted)
    assert pick(made, model="free") == [wanted]
    assert len(pick(made, model="busy")) == 30


def test_what_was_superseded_or_dropped_meanwhile_delays_nobody() -> None:
    made = drive(OwnScheduler())
    for index in range(100):
        made.submit(request(at=index, supersede=True))
    (only,) = pick(made, now=100.0) or [None]
    assert only is not None and only.received_at == 99
    assert len(made.collect_removed()) == 99


def test_what_was_chosen_and_superseded_before_its_turn_is_not_served() -> None:
    made = drive(OwnScheduler())
    first, chosen = request("a", 0.0), request("b", 0.0)
    made.submit(first)
    made.submit(chosen)
    assert pick(made, limit=1) == [first]
    newer = request("b", 1.0, supersede=True)
    made.submit(newer)
    assert pick(made, limit=1, now=1.0) == [newer]
    assert pick(made, now=1.0) == []


def test_what_it_returns_twice_is_served_once() -> None:
    class Stutterer(OwnScheduler):
        def next_batch(self) -> Any:
            return self.queue * 2  # and keeps it all

    made = drive(Stutterer())
    first, second = request("a"), request("b")
    made.submit(first)
    made.submit(second)
    assert pick(made, limit=1) == [first]
    assert pick(made) == [second]
    assert pick(made) == []


def test_what_it_forgets_expires() -> None:
    class Forgetful(OwnScheduler):
        def submit(self, request: InferenceRequest) -> None:
            pass

    clock = FakeClock()
    made = drive(Forgetful(), clock, request_ttl_ms=100)
    forgotten = request()
    made.submit(forgotten)
    assert pick(made) == []
    clock.advance(0.1)
    made.tick()
    assert [entry[:2] for entry in made.collect_removed()] == [(forgotten, Status.EXPIRED)]


def test_what_it_invents_is_not_served() -> None:
    class Inventor(OwnScheduler):
        def next_batch(self) -> Any:
            return [request("ghost"), *super().next_batch()]

    made = drive(Inventor())
    real = request()
    made.submit(real)
    assert pick(made) == [real]


def test_an_inventor_of_requests_without_end_stops_nobody() -> None:
    class Inventor(OwnScheduler):
        def next_batch(self) -> Any:
            return [request("ghost")]

    made = drive(Inventor())
    made.submit(request())
    assert pick(made) == []
    assert made.queue_len() == 1


def test_it_never_sees_what_a_full_queue_refused() -> None:
    user = OwnScheduler()
    made = drive(user, max_queue_size=1, overflow_policy="reject_newest")
    made.submit(request("a"))
    made.submit(request("b"))
    assert user.queue_len() == 1


def test_a_retry_is_submitted_to_it_again() -> None:
    made = drive(OwnScheduler())
    made.submit(request())
    (failed,) = pick(made)
    made.put_back(failed)
    assert pick(made) == [failed]


def test_a_retry_that_was_superseded_is_not() -> None:
    user = OwnScheduler()
    made = drive(user)
    made.submit(request(at=0.0, supersede=True))
    (failed,) = pick(made)
    made.submit(request(at=1.0, supersede=True))
    made.put_back(failed)
    assert user.queue_len() == 1
    assert [entry[:2] for entry in made.collect_removed()] == [(failed, Status.SUPERSEDED)]


def test_it_is_asked_again_soon_when_it_gave_a_free_model_nothing() -> None:
    clock = FakeClock(5.0)
    made = drive(OwnScheduler(), clock)
    assert 5.0 < made.hold_until("policy") <= 5.1


def test_its_tick_is_called_and_its_status_shown() -> None:
    ticks: list[str] = []

    class Ticking(OwnScheduler):
        def tick(self) -> None:
            ticks.append("tick")

    made = drive(Ticking())
    made.submit(request())
    made.tick()
    assert ticks == ["tick"]
    assert made.status()["custom"] == {"queue_len": 1}
    assert made.status()["queue_len"] == 1


def _raise(*_: object) -> Any:
    raise ValueError("broken")


def _exit(*_: object) -> Any:
    raise SystemExit(3)


def _breaks_on_the_way(*_: object) -> Iterator[Any]:
    yield request("ghost")
    raise ValueError("broken")


@pytest.mark.parametrize("method", ["submit", "next_batch", "tick", "status"])
@pytest.mark.parametrize("failure", [_raise, _exit])
def test_what_it_raises_costs_its_own_requests_only(
    method: str, failure: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    user = OwnScheduler()
    setattr(user, method, failure)
    made = drive(user)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            made.submit(request())
            made.tick()
            made.status()
            pick(made)
    assert len([record for record in caplog.records if method in record.getMessage()]) == 1


@pytest.mark.parametrize(
    "answer", [None, 7, "text", [None, 3, ["nested"]], {"a": 1}, _breaks_on_the_way()]
)
def test_nonsense_from_next_batch_is_an_empty_batch(answer: object) -> None:
    user = OwnScheduler()
    user.next_batch = lambda: answer  # type: ignore[method-assign]
    made = drive(user)
    made.submit(request())
    assert pick(made) == []
    assert made.queue_len() == 1
