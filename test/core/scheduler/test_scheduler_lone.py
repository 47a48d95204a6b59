"""An observation that comes while nobody waits is served at once, where the queue would do so."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from inferential_core.clock import FakeClock
from inferential_core.config.schema import SchedulingConfig
from inferential_core.request import InferenceRequest
from inferential_core.scheduler.deadline_aware import DeadlineAware
from inferential_core.tracking.latency import LatencyModel

LIMIT = 8
Arrival = tuple[float, int, float, int]


class Idle:
    """A scheduler whose model takes `seconds` and is free whenever an observation comes."""

    def __init__(self, seconds: float, calls: int = 4) -> None:
        self.seconds = seconds
        self.latency = LatencyModel()
        self.scheduler = DeadlineAware(
            SchedulingConfig(request_ttl_ms=math.inf, max_batch_size=LIMIT), FakeClock()
        )
        for _ in range(calls):
            self.latency.learn(1, seconds)

    def arrive(
        self, at: float, robot: int, due_in: float, steps: int, *, alone: bool
    ) -> list[str]:
        """Who is in the batch that is formed then. alone: without the queue, where that may be."""
        request = InferenceRequest(
            f"robot_{robot}",
            "policy",
            received_at=at,
            deadline=at + due_in,
            steps_remaining=steps,
            control_period_s=0.02,
            supersede=True,
        )
        scheduler = self.scheduler
        free = alone and not scheduler.queue_len()
        if free and scheduler.serve_lone(request, LIMIT, at, self.latency):
            batch = [request]
        else:
            scheduler.submit(request)
            batch = scheduler.pick("policy", LIMIT, at, self.latency)
        if batch:
            self.latency.learn(len(batch), self.seconds)
        for each in batch:
            scheduler.answered(each, at + self.seconds, horizon=10)
        return [each.client_id for each in batch]

    def known(self) -> list[tuple[float, ...]]:
        """What the scheduler knows of each client: what it was given, and when it may come."""
        clients = self.scheduler._queues["policy"].clients.values()
        return [(each.served_at, each.throttled_until, each.arrived_at) for each in clients]


arrivals = st.lists(
    st.tuples(
        st.sampled_from([0.001, 0.01, 0.05, 0.3, 3.0]),  # s since the one before
        st.integers(0, 3),  # robot
        st.sampled_from([0.005, 0.02, 0.05, 0.5]),  # s until its deadline
        st.integers(0, 10),  # actions that it has
    ),
    min_size=2,
    max_size=40,
)


@settings(max_examples=100)
@given(arrivals, st.sampled_from([0.0015, 0.02, 0.05]))
def test_the_direct_way_serves_whom_the_queue_would_serve(
    arrivals: Sequence[Arrival], seconds: float
) -> None:
    directly, queued = Idle(seconds), Idle(seconds)
    at = 0.0
    for gap, robot, due_in, steps in arrivals:
        at += gap
        served = directly.arrive(at, robot, due_in, steps, alone=True)
        assert served == queued.arrive(at, robot, due_in, steps, alone=False)
        assert directly.known() == queued.known()


def test_a_lone_robot_is_served_at_once_although_its_model_is_slow() -> None:
    model = Idle(seconds=0.05)
    request = InferenceRequest("robot", "policy", received_at=1.0, deadline=1.01)
    assert model.scheduler.serve_lone(request, LIMIT, 1.0, model.latency)


def test_who_cannot_be_in_time_waits_in_the_queue_while_others_ask() -> None:
    model = Idle(seconds=0.05)
    model.arrive(0.9, 1, 0.5, 5, alone=True)
    model.arrive(0.95, 2, 0.5, 5, alone=True)
    request = InferenceRequest("robot_1", "policy", received_at=1.2, deadline=1.21)
    assert not model.scheduler.serve_lone(request, LIMIT, 1.2, model.latency)
