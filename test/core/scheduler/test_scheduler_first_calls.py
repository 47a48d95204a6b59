"""A model's first calls: what is learned of it is planned with at once, and no more than that."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferential_core.clock import FakeClock
from inferential_core.config.schema import SchedulingConfig
from inferential_core.request import InferenceRequest
from inferential_core.scheduler.deadline_aware import DeadlineAware
from inferential_core.tracking.latency import NEGLIGIBLE_S, LatencyModel
from inferential_core.tracking.timing import batch_seconds

LIMIT = 16


class NewModel:
    """A scheduler and a model that takes fixed + each * b seconds and was never called yet."""

    def __init__(self, fixed: float = 0.02, each: float = 0.01) -> None:
        self.fixed, self.each = fixed, each
        self.now = 0.0
        self.latency = LatencyModel()
        self.scheduler = DeadlineAware(
            SchedulingConfig(request_ttl_ms=math.inf, max_batch_size=LIMIT), FakeClock()
        )

    def request(self, client: str, due_in: float) -> InferenceRequest:
        return InferenceRequest(
            client,
            "policy",
            received_at=self.now,
            deadline=self.now + due_in,
            supersede=True,
        )

    def ask(self, *clients: str, due_in: float = 1.0) -> None:
        for client in clients:
            self.scheduler.submit(self.request(client, due_in))

    def batch(self) -> list[str]:
        """Who is in the next batch, which the model has then worked through."""
        batch = self.scheduler.pick("policy", LIMIT, self.now, self.latency)
        if batch:
            self.work(len(batch))
        return [request.client_id for request in batch]

    def work(self, size: int) -> None:
        seconds = self.fixed + self.each * size
        self.latency.learn(size, seconds)
        self.now += seconds

    def calls_of_a_lone_robot(self, count: int) -> None:
        for _ in range(count):
            self.ask("lone")
            assert self.batch() == ["lone"]
            self.now += 0.1

    def plan(self) -> list[float]:
        return self.scheduler._queues["policy"].timing.seconds


def fleet(count: int) -> list[str]:
    return [f"robot_{index}" for index in range(count)]


@pytest.mark.parametrize("calls", [2, 3, 4, 15, 16, 17, 40])
def test_who_is_urgent_is_in_time_when_a_fleet_follows_a_lone_robot(calls: int) -> None:
    model = NewModel()
    model.calls_of_a_lone_robot(calls)
    model.ask(*fleet(15))
    model.ask("urgent", due_in=0.05)
    began = model.now
    batch = model.batch()
    assert "urgent" in batch
    assert len(batch) <= 2  # L(2) = 40 ms, and no larger batch was seen than one of one
    assert model.now <= began + 0.05


def test_the_rest_of_that_fleet_follows_in_time_in_large_batches() -> None:
    model = NewModel()
    model.calls_of_a_lone_robot(4)
    model.ask(*fleet(15))
    model.ask("urgent", due_in=0.05)
    latest = model.now + 1.0
    sizes = []
    while batch := model.batch():
        sizes.append(len(batch))
    assert sum(sizes) == 16
    assert len(sizes) <= 3
    assert model.now < latest


def test_a_model_that_batches_for_nothing_is_given_full_batches_soon() -> None:
    """Although every deadline is so tight that only doubling finds out."""
    model = NewModel(fixed=0.03, each=0.0)
    model.calls_of_a_lone_robot(4)
    sizes = []
    for _ in range(5):
        model.ask(*fleet(16), due_in=0.05)
        sizes.append(len(model.batch()))
    assert sizes == [2, 4, 8, 16, 16]


def test_a_model_is_planned_as_it_is_from_its_third_call_on() -> None:
    model = NewModel()
    model.calls_of_a_lone_robot(3)
    assert model.plan()[1] == pytest.approx(0.03)
    assert model.plan()[LIMIT] >= 0.03


def test_a_request_does_not_bypass_the_queue_of_a_model_that_was_quick_once() -> None:
    model = NewModel(fixed=1e-4, each=0.0)
    model.calls_of_a_lone_robot(4)
    model.fixed = 0.02
    model.work(1)
    request = model.request("other", due_in=5e-5)
    assert not model.scheduler.serve_lone(request, LIMIT, model.now, model.latency)


arrivals = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.001, 0.02, 0.2]),  # s since the one before
        st.integers(0, 20),  # robot
        st.sampled_from([0.02, 0.05, 0.1, 0.4, 2.0]),  # s until its deadline
    ),
    min_size=3,
    max_size=60,
)


@settings(max_examples=60)
@given(
    arrivals,
    st.sampled_from([0.0, 2e-5, 0.0015, 0.02, 0.05]),
    st.sampled_from([0.0, 1e-5, 0.002, 0.01]),
)
def test_the_plan_never_lags_what_was_learned(
    arrivals: Sequence[tuple[float, int, float]], fixed: float, each: float
) -> None:
    model = NewModel(fixed, each)
    at = 0.0
    waiting = list(arrivals)
    while waiting or model.scheduler.queue_len():
        while waiting and (at + waiting[0][0] <= model.now or not model.scheduler.queue_len()):
            gap, robot, due_in = waiting.pop(0)
            at = max(at + gap, model.now - 0.5)
            model.now = max(model.now, at)
            model.ask(f"robot_{robot}", due_in=due_in)
        learned = batch_seconds(model.latency, LIMIT)
        if not model.batch():
            model.now = min(model.scheduler.hold_until("policy"), model.now + 10.0)
        plan = model.plan()
        if plan != learned:  # which may be so only where both say that it takes no time
            assert max(plan[-1], learned[-1]) <= NEGLIGIBLE_S
