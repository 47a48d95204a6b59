"""What each weight of the default strategy does, alone."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferential_core.clock import FakeClock
from inferential_core.config.schema import DeadlineAwareConfig, SchedulingConfig
from inferential_core.request import InferenceRequest
from inferential_core.scheduler.deadline_aware import DeadlineAware
from inferential_core.scheduler.utility import Utility
from inferential_core.tracking.latency import LatencyModel

NONE = dict.fromkeys(
    ("cadence_weight", "urgency_weight", "steps_weight", "priority_weight", "age_weight"), 0.0
)
CASES = {
    "cadence_weight": ({"deadline": 0.6}, {"deadline": 0.9}),
    "urgency_weight": ({"urgency": 0.9}, {"urgency": 0.1}),
    "steps_weight": ({"steps_remaining": 1}, {"steps_remaining": 40}),
    "priority_weight": ({"priority": 0}, {"priority": 1}),
    "age_weight": ({"received_at": -0.5}, {"received_at": 0.0}),
}


def first_of(weights: dict[str, float], **of: dict[str, object]) -> str:
    """Who is served first of those described, by a model that takes one at a time."""
    made = DeadlineAware(SchedulingConfig(deadline_aware=weights), FakeClock())
    for name, fields in of.items():
        made.submit(InferenceRequest(name, "policy", **{"received_at": 0.0, **fields}))
    (chosen,) = made.pick("policy", 1, 0.0, LatencyModel())
    return chosen.client_id


@pytest.mark.parametrize("weight", CASES)
def test_each_weight_alone_decides_by_what_its_name_says(weight: str) -> None:
    better, worse = CASES[weight]
    alone = {**NONE, weight: 10.0}
    assert first_of(alone, worse=worse, better=better) == "better"
    assert first_of(alone, better=better, worse=worse) == "better"


@pytest.mark.parametrize("weight", CASES)
def test_a_weight_of_zero_switches_its_term_off(weight: str) -> None:
    better, worse = CASES[weight]
    others = {**NONE, weight: 0.0}
    # Nothing else tells them apart, so whoever came first is served first.
    if weight != "age_weight":
        later = {**better, "received_at": 0.001}
        assert first_of(others, worse=worse, better=later) == "worse"
    worth = Utility(DeadlineAwareConfig(**others))
    assert worth.now(1.0, 3, age=99.0, slack=0.0) == 1.0


def test_with_the_default_weights_the_deadline_decides_while_all_can_be_in_time() -> None:
    soon = {"deadline": 0.2, "urgency": 0.0, "priority": 5}
    loud = {"deadline": 0.5, "urgency": 1.0, "priority": 0, "steps_remaining": 0}
    assert first_of({}, loud=loud, soon=soon) == "soon"


def test_a_tier_is_worth_one_plus_its_weight_times_the_next() -> None:
    worth = Utility(DeadlineAwareConfig(priority_weight=9.0))
    request = InferenceRequest("a", "policy", priority=1)
    important = InferenceRequest("a", "policy", priority=0)
    assert worth.static(important) == pytest.approx(10 * worth.static(request))


def test_need_grows_with_age_without_bound() -> None:
    worth = Utility(DeadlineAwareConfig(age_weight=20.0, cadence_weight=0.0))
    assert worth.now(1.0, 0, age=0.5, slack=1.0) == pytest.approx(1.4)
    assert worth.now(1.0, 0, age=250.0, slack=1.0) == pytest.approx(201.0)


def test_pressure_halves_fifty_milliseconds_before_the_deadline() -> None:
    worth = Utility(DeadlineAwareConfig(cadence_weight=40.0, age_weight=0.0))
    assert worth.now(1.0, 0, age=0.0, slack=-1.0) == pytest.approx(1.4)
    assert worth.now(1.0, 0, age=0.0, slack=0.05) == pytest.approx(1.2)
    assert worth.now(1.0, 0, age=0.0, slack=math.inf) == pytest.approx(1.0)


@given(
    urgency=st.floats(0, 1),
    steps=st.one_of(st.none(), st.integers(0, 2**32 - 1)),
    priority=st.integers(0, 2**32 - 1),
    slack=st.one_of(st.just(math.inf), st.floats(-1e6, 1e6)),
    age=st.floats(0, 3600),
)
def test_every_claim_a_client_can_make_has_a_finite_worth(
    urgency: float, steps: int | None, priority: int, slack: float, age: float
) -> None:
    worth = Utility(DeadlineAwareConfig())
    claimed = InferenceRequest(
        "a", "policy", urgency=urgency, steps_remaining=steps, priority=priority
    )
    static = worth.static(claimed)
    assert 0.0 <= static <= 1.0 + 0.25 + 0.15
    assert 0.0 <= worth.now(static, priority, age, slack) < math.inf
