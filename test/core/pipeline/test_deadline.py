"""When an answer has to leave the server, from what its client says and does."""

from __future__ import annotations

import logging
import math

import pytest
from house import House

from inferential_core import InferentialConfig
from inferential_core.clock import FakeClock
from inferential_core.log.throttled import ThrottledLog
from inferential_core.metrics import MetricsStore
from inferential_core.metrics.recorder import Recorder
from inferential_core.pipeline.admission import Admission
from inferential_core.pipeline.outcome import Outcomes
from inferential_core.request import InferenceRequest
from inferential_core.scheduler.pending import Pending
from inferential_core.security.authorization import Authorization
from inferential_core.tracking.clients import ClientRegistry
from inferential_core.tracking.models import ModelRecord
from inferential_core.transport.memory import MemoryTransport
from inferential_core.wire import inferential_pb2 as pb


def admission_of(config: InferentialConfig) -> Admission:
    """An admission with nothing behind it."""
    clients, clock = ClientRegistry(0.3, 10.0), FakeClock()
    recorder = Recorder(MetricsStore(clock=clock))
    throttled = ThrottledLog(logging.getLogger(__name__))
    outcomes = Outcomes(MemoryTransport(), clients, clock, recorder, throttled)
    models = {"policy": ModelRecord("policy", max_batch=1, lanes=1)}
    return Admission(config, clients, models, outcomes, recorder, throttled, Authorization())


def scheduled(
    arrives_every: float = math.nan,
    uplink_s: float | None = None,
    known: dict[str, object] | None = None,
    **fields: object,
) -> InferenceRequest:
    """A request that arrived at 100.0, with its deadline."""
    config = InferentialConfig(clients={"known": [{"id": "a", **known}]} if known else {})
    admission, pending = admission_of(config), Pending(config.scheduling)
    message = pb.Observation(client=pb.Client(id="a"), model_id="policy", **fields)
    if uplink_s is not None:
        message.clock_offset_known = True
        message.client_send_ns = int((100.0 - uplink_s) * 1e9)
    frames = [b"", message.SerializeToString()]
    if not math.isnan(arrives_every):
        for back in (2, 1):
            admission.admit(b"a", frames, "", pending, 100.0 - back * arrives_every)
    request = admission.admit(b"a", frames, "", pending, 100.0)
    assert request is not None
    return request


def due_in(**fields: object) -> float:
    return scheduled(**fields).deadline - 100.0  # type: ignore[arg-type]


DRY_IN_500_MS = {"steps_remaining": 25, "control_period_ms": 20.0}


def test_it_is_due_when_the_robot_runs_dry() -> None:
    assert due_in(**DRY_IN_500_MS) == pytest.approx(0.5)


def test_the_default_budget_does_not_hurry_a_robot_that_tells_when_it_runs_dry() -> None:
    assert due_in(**DRY_IN_500_MS) > 0.05
    assert due_in() == pytest.approx(0.05)


def test_a_budget_that_is_stated_counts_where_it_is_earlier() -> None:
    assert due_in(**DRY_IN_500_MS, latency_budget_ms=100.0) == pytest.approx(0.1)
    assert due_in(**DRY_IN_500_MS, latency_budget_ms=900.0) == pytest.approx(0.5)


def test_a_budget_of_the_operators_counts_too() -> None:
    assert due_in(**DRY_IN_500_MS, known={"latency_budget_ms": 70.0}) == pytest.approx(0.07)
    assert due_in(**DRY_IN_500_MS, known={"priority": 0}) == pytest.approx(0.5)


def test_the_next_observation_makes_this_one_stale_where_nothing_better_is_known() -> None:
    assert due_in(arrives_every=0.02) == pytest.approx(0.02)
    assert due_in(arrives_every=0.2) == pytest.approx(0.05)
    assert due_in(arrives_every=0.2, latency_budget_ms=1000.0) == pytest.approx(0.2)
    assert due_in(arrives_every=0.02, **DRY_IN_500_MS) == pytest.approx(0.5)


@pytest.mark.parametrize(("answered_after", "deadline"), [(0.099, 2.0), (0.050, 0.1)])
def test_the_cadence_of_a_client_in_lock_step_with_its_answers_is_no_deadline(
    answered_after: float, deadline: float
) -> None:
    """It asks 100 ms after it asked before: because it was answered then, or by its own clock."""
    house = House()
    peer = house.client("a")
    for _ in range(6):
        house.observe(peer, latency_budget_ms=2000.0)
        (request,) = house.dispatcher.batches[0].requests
        house.clock.advance(answered_after)
        house.complete()
        house.clock.advance(0.1 - answered_after)
    assert request.deadline - request.received_at == pytest.approx(deadline)


def test_a_cadence_is_known_from_the_second_observation_on() -> None:
    assert scheduled(arrives_every=0.2).time_until_next == pytest.approx(0.2)
    assert scheduled().time_until_next == math.inf


def test_the_way_here_and_as_much_for_the_way_back_are_taken_off() -> None:
    assert due_in(**DRY_IN_500_MS, uplink_s=0.04) == pytest.approx(0.42)
    assert due_in(latency_budget_ms=100.0, uplink_s=0.01) == pytest.approx(0.08)


@pytest.mark.parametrize("period_ms", [0.0, -1.0, math.nan, math.inf])
def test_a_control_period_that_is_none_says_nothing(period_ms: float) -> None:
    request = scheduled(steps_remaining=25, control_period_ms=period_ms)
    assert request.control_period_s == 0.0
    assert request.deadline == pytest.approx(100.05)
