"""Whom each of the four strategies serves next."""

from __future__ import annotations

import logging
import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferential_core import register_policy
from inferential_core.clock import FakeClock
from inferential_core.config.schema import SchedulingConfig
from inferential_core.request import InferenceRequest
from inferential_core.scheduler.base import scheduler_class
from inferential_core.scheduler.batching import BatchScheduler
from inferential_core.status import Status
from inferential_core.tracking.latency import LatencyModel

STRATEGIES = ["deadline_aware", "batch_optimized", "priority_tiered", "round_robin"]
UNKNOWN = LatencyModel()


def scheduler(
    strategy: str = "deadline_aware", clock: FakeClock | None = None, **options: object
) -> BatchScheduler:
    config = SchedulingConfig(strategy=strategy, **options)
    made = scheduler_class(strategy)(config, clock or FakeClock())
    assert isinstance(made, BatchScheduler)
    return made


def request(client: str = "robot", at: float = 0.0, **fields: object) -> InferenceRequest:
    return InferenceRequest(client, "policy", received_at=at, **fields)


def submit(to: BatchScheduler, *requests: InferenceRequest) -> None:
    for each in requests:
        to.submit(each)


def pick(made: BatchScheduler, limit: int = 8, now: float = 0.0) -> list[InferenceRequest]:
    return made.pick("policy", limit, now, UNKNOWN)


# --- all of them ---


arrivals = st.lists(
    st.tuples(
        st.sampled_from("abcdef"),
        st.sampled_from(["policy", "other"]),
        st.floats(0, 1),  # urgency
        st.integers(0, 4),  # priority
        st.one_of(st.none(), st.integers(0, 50)),  # steps remaining
        st.one_of(st.just(math.inf), st.floats(-1, 1)),  # deadline, from arrival
        st.floats(0, 0.02),  # time to the next one
    ),
    max_size=40,
)


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(arrivals=arrivals, limit=st.integers(1, 5))
def test_no_request_is_lost_served_twice_or_put_into_too_large_a_batch(
    strategy: str, arrivals: list[tuple[object, ...]], limit: int
) -> None:
    clock = FakeClock()
    made = scheduler(strategy, clock, max_batch_size=limit, request_ttl_ms=math.inf)
    everyone: list[InferenceRequest] = []
    served: list[InferenceRequest] = []

    def serve() -> None:
        batch = made.next_batch()
        assert len(batch) <= limit
        assert len({each.model_id for each in batch}) <= 1
        served.extend(batch)

    for client, model, urgency, priority, steps, deadline, passed in arrivals:
        everyone.append(
            InferenceRequest(
                client,
                model,
                received_at=clock.now(),
                urgency=urgency,
                priority=priority,
                steps_remaining=steps,
                deadline=clock.now() + deadline,
            )
        )
        made.submit(everyone[-1])
        assert made.queue_len() == len(everyone) - len(served)
        clock.advance(passed)
        if passed > 0.01:
            serve()
    clock.advance(1.0)  # whoever waits to fill a batch has waited enough
    while made.queue_len():
        before = len(served)
        serve()
        assert len(served) > before
    assert Counter(map(id, served)) == Counter(map(id, everyone))
    assert made.collect_removed() == []
    assert made.next_batch() == []


steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from("abcd"), st.booleans(), st.floats(-0.05, 0.5)),
        st.tuples(st.just("pick"), st.integers(1, 4), st.booleans(), st.booleans()),
        st.tuples(st.just("wait"), st.floats(0, 0.3)),
        st.tuples(st.just("switch"), st.sampled_from(STRATEGIES)),
        st.tuples(st.just("gone"), st.sampled_from("abcd")),
    ),
    max_size=60,
)


@pytest.mark.parametrize("overflow", ["drop_oldest", "reject_newest"])
@settings(max_examples=80)
@given(first=st.sampled_from(STRATEGIES), steps=steps)
def test_whatever_happens_every_request_ends_once(
    overflow: str, first: str, steps: list[tuple[object, ...]]
) -> None:
    """Superseded, evicted, expired, retried, moved to another strategy: received = outcomes +
    queued + in flight, at any moment.
    """
    clock = FakeClock()
    options = {"max_queue_size": 6, "request_ttl_ms": 400, "overflow_policy": overflow}
    made = scheduler(first, clock, **options)
    ended: Counter[int] = Counter()
    everyone: list[InferenceRequest] = []
    waiting = 0

    def settle() -> None:
        nonlocal waiting
        for removed, _, _ in made.collect_removed():
            ended[id(removed)] += 1
            waiting -= 1

    for step in steps:
        if step[0] == "ask":
            _, client, supersede, due_in = step
            fields = {"supersede": supersede, "deadline": clock.now() + due_in}
            everyone.append(request(str(client), clock.now(), **fields))
            waiting += 1
            made.submit(everyone[-1])
        elif step[0] == "pick":
            _, limit, fails, few = step
            eligible = (lambda them: them[::2]) if few else None
            batch = made.pick("policy", int(str(limit)), clock.now(), UNKNOWN, eligible)
            assert len(batch) == len(set(batch)) <= int(str(limit))
            for each in batch:
                assert clock.now() < each.received_at + 0.4
                if fails:
                    made.put_back(each)
                else:
                    ended[id(each)] += 1
                    waiting -= 1
        elif step[0] == "wait":
            clock.advance(float(str(step[1])))
            made.tick()
        elif step[0] == "switch":
            settle()
            moved = made.pending.drain()
            made = scheduler(str(step[1]), clock, **options)
            for each in moved:
                made.put_back(each)
        else:
            made.pending.remove_client(str(step[1]), "gone")
        settle()
        assert made.queue_len() == waiting
        assert set(ended.values()) <= {1}
    assert len(ended) + waiting == len(everyone)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_is_too_old_is_never_served(strategy: str) -> None:
    clock = FakeClock()
    made = scheduler(strategy, clock, request_ttl_ms=100)
    stale, fresh = request("a", 0.0), request("b", 0.09)
    submit(made, stale, fresh)
    clock.advance(0.1)
    assert pick(made, now=clock.now()) == [fresh]
    assert [entry[:2] for entry in made.collect_removed()] == [(stale, Status.EXPIRED)]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_tick_expires_what_waits_for_a_model_that_is_busy(strategy: str) -> None:
    clock = FakeClock()
    made = scheduler(strategy, clock, request_ttl_ms=100)
    submit(made, request())
    clock.advance(0.1)
    made.tick()
    assert made.queue_len() == 0
    assert len(made.collect_removed()) == 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_retried_request_is_served_again(strategy: str) -> None:
    made = scheduler(strategy)
    submit(made, request())
    (failed,) = pick(made, now=1.0)
    made.put_back(failed)
    assert made.queue_len() == 1
    assert pick(made, now=1.0) == [failed]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_refreshing_observations_costs_no_client_its_turn(strategy: str) -> None:
    clock = FakeClock()
    made = scheduler(strategy, clock, batch_optimized={"max_batch_size": 1})
    served: Counter[str] = Counter()
    for _ in range(60):
        for name in "abc":  # "c" always has the newest observation when the model is free
            submit(made, request(name, clock.now(), supersede=True))
            clock.advance(0.003)
        served.update(each.client_id for each in pick(made, limit=1, now=clock.now()))
    assert all(served[name] >= 15 for name in "abc")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_without_a_server_removed_requests_do_not_pile_up(strategy: str) -> None:
    clock = FakeClock()
    made = scheduler(strategy, clock, request_ttl_ms=100)
    for _ in range(20):
        submit(made, request(at=clock.now()))
        clock.advance(0.2)
        assert made.next_batch() == []
    assert len(made.collect_removed()) == 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_without_a_server_no_model_has_to_wait_for_another_to_be_idle(strategy: str) -> None:
    clock = FakeClock()
    made = scheduler(strategy, clock)
    made.submit(InferenceRequest("a", "busy", received_at=clock.now()))
    made.submit(InferenceRequest("b", "other", received_at=clock.now()))
    served = []
    for _ in range(3):
        clock.advance(0.05)
        served += [each.model_id for each in made.next_batch()]
        made.submit(InferenceRequest("a", "busy", received_at=clock.now()))
    assert "other" in served


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_status_tells_what_waits_for_which_model(strategy: str) -> None:
    made = scheduler(strategy)
    submit(made, request("a"), request("b"))
    made.submit(InferenceRequest("a", "other"))
    status = made.status()
    assert status["strategy"] == strategy
    assert status["queue_len"] == made.queue_len() == 3
    assert status["queued_by_model"] == {"policy": 2, "other": 1}


# --- deadline_aware ---


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"deadline": 0.01}, {"deadline": 0.5}),
        ({"deadline": 0.5}, {}),
        ({"urgency": 0.9}, {"urgency": 0.1}),
        ({"steps_remaining": 1}, {"steps_remaining": 40}),
        ({"steps_remaining": 40}, {}),
        ({"priority": 0}, {"priority": 1}),
        ({"at": -1.0}, {"at": 0.0}),
    ],
)
def test_deadline_aware_serves_first_who_needs_it_more(
    better: dict[str, object], worse: dict[str, object]
) -> None:
    made = scheduler()
    needy, patient = request("needy", **better), request("patient", **worse)
    submit(made, patient, needy)
    assert pick(made, limit=1) == [needy]


def test_deadline_aware_starves_nobody() -> None:
    made = scheduler()
    modest = request("modest", 0.0, priority=9)
    submit(made, modest)
    now = 0.0
    for _ in range(200):
        now += 0.02
        greedy = request("greedy", now, urgency=1.0, steps_remaining=0, priority=0, deadline=now)
        submit(made, greedy)
        if modest in pick(made, limit=1, now=now):
            break
    assert modest not in made.pending
    assert now < 2.0


def test_the_observations_of_one_client_keep_their_order() -> None:
    made = scheduler()
    first, later = request("a", urgency=0.1), request("a", urgency=0.9, steps_remaining=0)
    between = request("b", urgency=0.5)
    submit(made, first, between, later)
    assert pick(made) == [first, between, later]


def test_equal_scores_are_served_oldest_first() -> None:
    made = scheduler(deadline_aware={"age_weight": 0.0})
    same = [request(f"robot_{index}", index * 1e-3) for index in range(6)]
    submit(made, *same)
    assert pick(made, limit=4, now=0.1) + pick(made, limit=4, now=0.1) == same


@pytest.mark.parametrize(
    ("weights", "winner"),
    [({"urgency_weight": 100.0, "priority_weight": 0.0}, "urgent"),
     ({"urgency_weight": 0.0, "priority_weight": 100.0}, "important")],
)  # fmt: skip
def test_the_weights_decide(weights: dict[str, float], winner: str) -> None:
    made = scheduler(deadline_aware=weights)
    submit(made, request("urgent", urgency=1.0), request("important", priority=0))
    assert [each.client_id for each in pick(made, limit=1)] == [winner]


def test_a_policy_replaces_the_score_and_the_highest_goes_first() -> None:
    @register_policy("test_longest_name_first")
    def score(each: InferenceRequest) -> float:
        return len(each.client_id)

    made = scheduler(policy="test_longest_name_first")
    submit(made, request("a", urgency=1.0), request("ccc"), request("bb"))
    assert [each.client_id for each in pick(made)] == ["ccc", "bb", "a"]


@pytest.mark.parametrize("failure", [ValueError("broken"), SystemExit(1), "text", math.nan])
def test_a_policy_that_fails_is_replaced_by_the_built_in_score_and_logged_once(
    failure: object, caplog: pytest.LogCaptureFixture
) -> None:
    @register_policy("test_failing")
    def score(each: InferenceRequest) -> float:
        if isinstance(failure, BaseException):
            raise failure
        return failure  # type: ignore[return-value]

    made = scheduler(policy="test_failing")
    calm, urgent = request("calm"), request("urgent", urgency=1.0)
    submit(made, calm, urgent)
    with caplog.at_level(logging.ERROR):
        assert pick(made) == [urgent, calm]
    assert [record.getMessage().count("test_failing") for record in caplog.records] == [1]


# --- batch_optimized ---


def test_batch_optimized_flushes_as_soon_as_a_batch_is_full() -> None:
    made = scheduler("batch_optimized", batch_optimized={"max_batch_size": 3, "max_wait_ms": 10})
    requests = [request(f"robot_{index}") for index in range(4)]
    submit(made, *requests[:2])
    assert pick(made) == []
    submit(made, *requests[2:])
    assert pick(made) == requests[:3]
    assert pick(made) == []


def test_batch_optimized_flushes_when_the_oldest_waited_long_enough() -> None:
    made = scheduler("batch_optimized", batch_optimized={"max_wait_ms": 10})
    requests = [request("a", 1.0), request("b", 1.009)]
    submit(made, *requests)
    due = made.hold_until("policy")
    assert due == pytest.approx(1.01)
    assert pick(made, now=math.nextafter(due, 0)) == []
    assert pick(made, now=due) == requests


def test_batch_optimized_counts_the_wait_of_what_was_superseded() -> None:
    made = scheduler("batch_optimized", batch_optimized={"max_wait_ms": 10})
    for step in range(3):
        submit(made, request(at=0.004 * step, supersede=True))
    assert made.hold_until("policy") == pytest.approx(0.01)
    assert [each.received_at for each in pick(made, now=0.01)] == [0.008]


def test_batch_optimized_does_not_wait_for_more_than_the_model_takes() -> None:
    made = scheduler("batch_optimized", batch_optimized={"max_batch_size": 8})
    requests = [request("a"), request("b")]
    submit(made, *requests)
    assert pick(made, limit=2) == requests


# --- priority_tiered ---


@given(
    st.lists(st.tuples(st.integers(0, 6), st.floats(0, 1)), min_size=1, max_size=30),
    st.integers(1, 5),
    st.integers(1, 8),
)
def test_tiers_are_strict_and_each_is_first_come_first_served(
    arrivals: list[tuple[int, float]], tiers: int, limit: int
) -> None:
    made = scheduler(
        "priority_tiered", priority_tiered={"num_tiers": tiers}, request_ttl_ms=math.inf
    )
    requests = []
    now = 0.0
    for priority, passed in arrivals:
        now += passed
        requests.append(request(f"robot_{len(requests)}", now, priority=priority))
    submit(made, *requests)
    served: list[InferenceRequest] = []
    while batch := pick(made, limit, now):
        served += batch
    assert served == sorted(requests, key=lambda each: min(each.priority, tiers - 1))


def test_an_important_request_overtakes_all_that_wait() -> None:
    made = scheduler("priority_tiered")
    waiting = [request(f"robot_{index}", priority=1) for index in range(20)]
    important = request("arm", 1.0, priority=0)
    submit(made, *waiting, important)
    assert pick(made, limit=2, now=1.0) == [important, waiting[0]]


# --- round_robin ---


def test_round_robin_serves_each_client_once_before_any_a_second_time() -> None:
    made = scheduler("round_robin")
    greedy = [request("greedy", index * 1e-3) for index in range(10)]
    submit(made, *greedy, request("b", 0.02), request("c", 0.03))
    assert [each.client_id for each in pick(made, limit=4)] == ["greedy", "b", "c", "greedy"]


def test_round_robin_goes_on_where_the_last_batch_ended() -> None:
    made = scheduler("round_robin")
    for round_ in range(4):
        submit(made, *(request(name, round_) for name in "abc"))
    order = [each.client_id for _ in range(6) for each in pick(made, limit=2, now=4.0)]
    assert "".join(order) == "abc" * 4


@given(st.integers(2, 12), st.integers(1, 8))
def test_no_client_waits_longer_than_one_turn_of_all_others(clients: int, limit: int) -> None:
    made = scheduler("round_robin", request_ttl_ms=math.inf)
    names = [f"robot_{index}" for index in range(clients)]
    for name in names:  # everybody always has more waiting than one batch takes
        submit(made, *(request(name) for _ in range(5 * limit)))
    served: Counter[str] = Counter()
    for _ in range(5):
        served.update(each.client_id for each in pick(made, limit))
        counts = [served[name] for name in names]
        assert max(counts) - min(counts) <= 1


def test_a_client_that_comes_late_does_not_catch_up_on_missed_turns() -> None:
    made = scheduler("round_robin")
    submit(made, *(request("early") for _ in range(20)))
    for _ in range(5):
        pick(made, limit=1)
    submit(made, *(request("late") for _ in range(20)))
    order = [each.client_id for _ in range(6) for each in pick(made, limit=1)]
    assert order == ["late", "early"] * 3


def test_round_robin_forgets_clients_that_are_gone() -> None:
    made = scheduler("round_robin")
    for index in range(5000):
        submit(made, request(f"visitor_{index}"))
        pick(made)
    (rotation,) = made._rotations.values()  # type: ignore[attr-defined]
    assert len(rotation._turns) < 2000
