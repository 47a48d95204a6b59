"""What the server learns: cadence, latency, clients, models, and the sum of all outcomes."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferential_core.status import SERVER_OUTCOMES, Status
from inferential_core.tracking.clients import Cadence, Client, ClientRegistry
from inferential_core.tracking.latency import LatencyModel
from inferential_core.tracking.ledger import Ledger
from inferential_core.tracking.models import ModelRecord
from inferential_core.tracking.timing import Timing, batch_seconds, most_seconds

# --- cadence ---


def test_one_event_tells_no_cadence() -> None:
    cadence = Cadence(0.3)
    assert math.isnan(cadence.interval)
    cadence.event(1.0)
    assert math.isnan(cadence.interval)
    assert math.isnan(cadence.rate)


def test_the_first_interval_is_taken_as_it_is_and_later_ones_by_their_weight() -> None:
    cadence = Cadence(0.25)
    for at in (10.0, 10.1, 10.3):
        cadence.event(at)
    assert cadence.interval == pytest.approx(0.75 * 0.1 + 0.25 * 0.2)
    assert cadence.last + cadence.interval == pytest.approx(10.3 + 0.125)
    assert cadence.rate == pytest.approx(8.0)


def test_events_at_the_same_instant_have_no_rate() -> None:
    cadence = Cadence(0.3)
    cadence.event(1.0)
    cadence.event(1.0)
    assert math.isnan(cadence.rate)
    assert cadence.last + cadence.interval == 1.0


@given(st.floats(0.01, 0.99), st.lists(st.floats(1e-3, 10), min_size=1, max_size=50))
def test_the_learned_interval_lies_between_the_shortest_and_the_longest(
    alpha: float, intervals: list[float]
) -> None:
    cadence = Cadence(alpha)
    now = 0.0
    cadence.event(now)
    for interval in intervals:
        now += interval
        cadence.event(now)
    assert min(intervals) * 0.999 <= cadence.interval <= max(intervals) * 1.001


# --- latency of a model ---


def test_the_warm_up_call_is_not_learned_from() -> None:
    latency = LatencyModel()
    latency.learn(1, 30.0)
    assert latency.predict(1) == 0.0
    assert math.isnan(latency.fixed)
    latency.learn(1, 0.02)
    assert latency.predict(1) == pytest.approx(0.02)


def test_before_sizes_differ_all_cost_is_fixed() -> None:
    latency = LatencyModel()
    for _ in range(10):
        latency.learn(4, 0.06)
    assert latency.predict(1) == pytest.approx(0.06)
    assert latency.per_observation == pytest.approx(0.0)


@given(st.floats(1e-3, 0.5), st.floats(1e-4, 0.1), st.integers(0, 1000))
def test_fixed_and_marginal_cost_are_learned_from_batches_of_different_sizes(
    fixed: float, each: float, seed: int
) -> None:
    latency, dice = LatencyModel(), random.Random(seed)
    for _ in range(200):
        size = dice.randint(1, 8)
        latency.learn(size, (fixed + each * size) * dice.uniform(0.99, 1.01))
    for size in (1, 4, 8):
        assert latency.predict(size) == pytest.approx(fixed + each * size, rel=0.03)
    assert latency.deviation < 0.02 * (fixed + 8 * each)


def test_hours_of_batches_of_one_size_do_not_upset_what_comes_after() -> None:
    latency, dice = LatencyModel(), random.Random(1)

    def serve(size: int) -> None:
        latency.learn(size, 0.02 + 0.01 * size + dice.gauss(0, 0.001))

    for _ in range(20_000):
        serve(8)
    for _ in range(2000):
        serve(8 if dice.random() < 0.95 else dice.randint(1, 4))
        assert 0.05 < latency.predict(8) < 0.15
        assert 0.0 <= latency.predict(1) < 0.15
    assert latency.predict(1) == pytest.approx(0.03, abs=0.005)


def test_the_cost_of_each_observation_is_remembered_while_batches_are_all_of_one_size() -> None:
    latency = LatencyModel()
    for size in (1, 2, 4, 8) * 20:
        latency.learn(size, 0.02 + 0.01 * size)
    for _ in range(5000):
        latency.learn(1, 0.03)
    assert latency.predict(8) == pytest.approx(0.1, rel=0.01)


def test_a_model_that_slows_down_is_noticed_even_if_batches_are_all_of_one_size() -> None:
    latency = LatencyModel()
    for size in (1, 2, 4, 8) * 20:
        latency.learn(size, 0.02 + 0.01 * size)
    for _ in range(300):
        latency.learn(1, 0.2)
    assert latency.predict(1) == pytest.approx(0.2, rel=0.01)


@given(st.lists(st.tuples(st.integers(1, 64), st.floats(0, 10)), max_size=60))
def test_a_larger_batch_is_never_expected_to_take_less_time(
    calls: list[tuple[int, float]],
) -> None:
    latency = LatencyModel()
    for size, seconds in calls:
        latency.learn(size, seconds)
    predictions = [latency.predict(size) for size in range(1, 65)]
    # the steepest line through calls of 0 to 10 s, an observation apart, reaches 640 s at 64
    assert all(0 <= seconds < 1000 for seconds in predictions)
    assert predictions == sorted(predictions)
    assert latency.deviation >= 0


PADDED = {1: 0.073, 2: 0.110, 3: 0.178, 4: 0.178, 5: 0.290, 6: 0.290, 7: 0.290, 8: 0.290}


@pytest.mark.parametrize("jitter", [0.0, 0.05])
def test_a_curve_with_steps_is_planned_with_as_it_is(jitter: float) -> None:
    latency, dice = LatencyModel(), random.Random(4)
    for _ in range(300):
        size = dice.randint(1, 8)
        latency.learn(size, PADDED[size] * (1 + jitter * dice.uniform(-1, 1)))
    plan = batch_seconds(latency, 8)
    for size, seconds in PADDED.items():
        assert latency.predict(size) == pytest.approx(seconds, rel=0.001 + jitter)
        assert seconds * (1 - 1e-9) <= plan[size] <= seconds * (1.001 + 3 * jitter)


def test_a_size_between_two_measured_ones_takes_no_less_and_no_more_than_they() -> None:
    latency = LatencyModel()
    for size in (1, 4, 5, 8) * 10:
        latency.learn(size, PADDED[size])
    plan = batch_seconds(latency, 8)
    assert plan == sorted(plan)
    assert PADDED[1] <= latency.predict(2) <= PADDED[4]
    assert latency.predict(6) == latency.predict(7) == pytest.approx(PADDED[5])


def test_a_promise_counts_on_no_more_than_the_sizes_seen_allow() -> None:
    latency = LatencyModel()
    for _ in range(10):
        latency.learn(1, 0.044)
    promised = [0.0, 0.044, 0.088, 0.132, 0.176]  # one call after the other: nothing else is known
    assert most_seconds(latency, 4) == pytest.approx(promised)
    assert batch_seconds(latency, 4)[2] == pytest.approx(0.044)  # tried in the hope of it
    latency.learn(2, 0.048)
    assert most_seconds(latency, 4) == pytest.approx([0.0, 0.044, 0.048, 0.052, 0.056], rel=0.05)
    latency.set_batch_sizes([1, 2, 4])
    padded = most_seconds(latency, 4)
    assert padded[3] == padded[4]


def test_what_scatters_is_promised_with_the_steepest_slope_that_it_allows() -> None:
    latency, dice = LatencyModel(), random.Random(4)
    for _ in range(40):
        size = dice.randint(1, 2)
        latency.learn(size, (0.04 + 0.004 * size) * (1 + 0.2 * dice.uniform(-1, 1)))
    promised = most_seconds(latency, 8)
    assert 0.004 < latency.steepest < 0.02
    assert 0.04 + 0.004 * 8 < promised[8] < 4 * promised[2]


def test_a_model_that_says_which_sizes_it_pads_to_is_known_after_a_call_of_each() -> None:
    latency = LatencyModel()
    latency.set_batch_sizes([8, 1, 4])
    for size in (1, 1, 3, 2, 4, 6, 5, 8, 1):
        latency.learn(size, PADDED[1 if size == 1 else 4 if size <= 4 else 8])
    assert latency.predict(2) == latency.predict(4) == pytest.approx(PADDED[4])
    assert latency.predict(5) == latency.predict(8) == pytest.approx(PADDED[8])


def test_what_a_profile_measured_is_planned_with_before_the_first_call() -> None:
    latency, timing = LatencyModel(), Timing()
    assert timing.refresh(latency, 8, 1)[8] < 1e-3
    latency.assume(PADDED)
    assert timing.refresh(latency, 8, 1)[1:] == pytest.approx(list(PADDED.values()), rel=0.25)
    latency.learn(1, 30.0)  # the warm-up
    assert latency.predict(1) == pytest.approx(PADDED[1])
    assert latency.predict(8) == pytest.approx(PADDED[8])


def test_two_calls_suffice_to_notice_that_the_model_is_another_one_now() -> None:
    latency = LatencyModel()
    for size in (1, 2, 4, 8) * 50:
        latency.learn(size, 0.02 + 0.01 * size)
    latency.learn(4, 0.18)
    assert latency.predict(4) < 0.08  # one call may be chance
    latency.learn(4, 0.18)
    assert latency.predict(4) > 0.1
    latency.learn(4, 0.18)
    assert latency.predict(4) == pytest.approx(0.18)
    assert latency.predict(8) >= latency.predict(4)


def test_now_and_then_a_slow_call_does_not_make_a_model_another_one() -> None:
    latency, dice = LatencyModel(), random.Random(2)
    for call in range(400):
        latency.learn(dice.choice((1, 8)), 0.5 if call % 40 == 39 else 0.1)
    for _ in range(20):
        latency.learn(1, 0.1)
    assert latency.predict(1) == pytest.approx(0.1, rel=0.1)


@given(st.floats(1e-5, 3e-4), st.floats(1e-6, 5e-5), st.integers(0, 1000))
def test_calls_that_take_no_time_are_learned_from_several_at_once_as_well_as_one_by_one(
    fixed: float, each: float, seed: int
) -> None:
    latency, dice = LatencyModel(), random.Random(seed)
    for _ in range(400):
        size = dice.randint(1, 8)
        latency.learn(size, (fixed + each * size) * dice.uniform(0.95, 1.05))
    for size in (1, 4, 8):
        assert latency.predict(size) == pytest.approx(fixed + each * size, rel=0.05)
    usual = 0.05 / math.sqrt(3) * (fixed + 4.5 * each)
    assert 0.4 * usual < latency.deviation < 2.5 * usual
    assert latency.updates < 50


def test_a_slow_call_of_a_model_that_takes_no_time_is_planned_with_at_once() -> None:
    latency, timing = LatencyModel(), Timing()
    for _ in range(100):
        latency.learn(1, 2e-4)
    assert timing.refresh(latency, 1, 1)[1] == pytest.approx(2e-4)
    assert timing.negligible_latency
    latency.learn(1, 0.02)
    timing.refresh(latency, 1, 1)
    assert not timing.negligible_latency


# --- records of models ---


def test_a_model_is_free_while_it_has_an_idle_lane() -> None:
    model = ModelRecord("policy", max_batch=8, lanes=2)
    model.begin(3)
    assert model.free
    model.begin(4)
    assert not model.free
    assert model.in_flight == 7
    model.end(3, 0.01, failed=1)
    assert model.free
    assert (model.in_flight, model.batches, model.served, model.failed) == (4, 1, 2, 1)


def test_a_call_that_failed_altogether_teaches_nothing_about_latency() -> None:
    model = ModelRecord("policy", max_batch=8, lanes=1)
    for _ in range(3):
        model.begin(2)
        model.end(2, 1e-6, failed=2)
    assert model.latency.calls == 0
    assert (model.served, model.failed) == (0, 6)


def test_the_mean_batch_is_a_recent_mean() -> None:
    model = ModelRecord("policy", max_batch=8, lanes=1)
    assert math.isnan(model.mean_batch)
    for size in [8] + [2] * 200:
        model.begin(size)
        model.end(size, 0.01, failed=0)
        assert 2 <= model.mean_batch <= 8
    assert model.mean_batch == pytest.approx(2, abs=0.01)


# --- the ledger ---


def test_the_ledger_shows_what_is_missing_or_counted_twice() -> None:
    ledger = Ledger()
    ledger.received = 10
    for status in SERVER_OUTCOMES:
        ledger.outcomes[status] += 1
    assert ledger.settled() == 6
    assert ledger.balance(queued=3, in_flight=1) == 0
    assert ledger.balance(queued=1, in_flight=1) == 2
    assert ledger.balance(queued=4, in_flight=1) == -1


def test_malformed_messages_and_undelivered_replies_are_counted_apart() -> None:
    ledger = Ledger()
    ledger.malformed = ledger.undelivered = 5
    assert ledger.balance(0, 0) == 0


# --- clients ---


def registry(capacity: int = 10_000) -> ClientRegistry:
    return ClientRegistry(alpha=0.3, disconnect_timeout=10.0, capacity=capacity)


def test_a_client_is_the_same_one_under_a_new_identity() -> None:
    clients = registry()
    first = clients.heard("robot", b"1", 0.0)
    again = clients.heard("robot", b"2", 1.0)
    assert again is first
    assert (again.identity, again.last_seen) == (b"2", 1.0)


def test_a_client_has_a_cadence_of_its_own_for_each_model() -> None:
    clients = registry()
    robot = clients.heard("robot", b"1", 0.0)
    for step in range(20):
        clients.observed(robot, "fast", step * 0.1)
        if step % 5 == 0:
            clients.observed(robot, "slow", step * 0.1)
    assert clients.observed(robot, "fast", 2.0).interval == pytest.approx(0.1)
    assert clients.observed(robot, "slow", 2.0).interval == pytest.approx(0.5)


def test_a_silent_client_is_reported_gone_once_and_back_when_it_speaks() -> None:
    clients = registry()
    clients.heard("quiet", b"1", 0.0)
    clients.heard("lively", b"2", 8.0)
    assert clients.sweep(10.0).gone == []
    assert [client.id for client in clients.sweep(10.5).gone] == ["quiet"]
    assert clients.sweep(11.0).gone == []
    assert clients.active() == 1
    assert clients.heard("quiet", b"1", 12.0).connected
    assert clients.active() == 2


def test_a_client_is_overdue_after_so_many_times_its_cadence_and_told_once() -> None:
    clients = ClientRegistry(alpha=0.3, disconnect_timeout=10.0, overdue_multiplier=1.5)
    robot = observe(clients, 0.0, 0.1, 0.2)
    assert not robot.overdue(0.34)
    assert robot.overdue(0.36) and clients.overdue(0.36) == 1
    assert clients.sweep(0.34).late == []
    assert clients.sweep(0.36).late == [robot]
    assert clients.sweep(1.36).late == []
    observe(clients, 1.5)
    assert not robot.overdue(1.5)
    assert clients.sweep(1.5).late == []


def test_one_that_was_overdue_between_two_sweeps_is_told_at_the_next() -> None:
    clients = registry()
    robot = observe(clients, 0.0, 0.1, 0.2, 0.5)
    changes = clients.sweep(0.51)
    assert (changes.late, changes.came) == ([robot], [robot])
    assert clients.sweep(0.52) == ([], [], [])


def test_the_multiplier_counts_and_may_change() -> None:
    clients = ClientRegistry(alpha=0.3, disconnect_timeout=10.0, overdue_multiplier=3.0)
    robot = observe(clients, 0.0, 0.1, 0.2)
    assert not robot.overdue(0.45)
    clients.configure(0.3, 10.0, 1.5)
    observe(clients, 0.3)
    assert robot.overdue(0.46)


def test_a_client_that_is_gone_is_not_overdue_and_its_pause_is_no_cadence() -> None:
    clients = registry()
    robot = observe(clients, 0.0, 0.1, 0.2)
    assert clients.sweep(20.0).gone == [robot]
    assert not robot.overdue(20.0) and clients.overdue(20.0) == 0
    observe(clients, 30.0, 30.1)
    assert robot.cadence.interval == pytest.approx(0.1)
    assert clients.sweep(30.1).came == [robot]


def observe(clients: ClientRegistry, *times: float) -> Client:
    for now in times:
        client = clients.heard("robot", b"1", now)
        clients.observed(client, "policy", now)
    return client


@pytest.mark.parametrize("capacity", [1, 5, 100])
def test_a_flood_of_ids_never_takes_more_than_the_capacity_and_pushes_out_the_oldest(
    capacity: int,
) -> None:
    clients = registry(capacity)
    for index in range(3 * capacity):
        clients.heard(f"robot_{index}", b"", float(index))
        assert len(clients.by_id) <= capacity
        assert f"robot_{index}" in clients.by_id
    assert "robot_0" not in clients.by_id


def test_who_waits_for_an_answer_is_not_pushed_out_by_a_flood_of_ids() -> None:
    clients = registry(capacity=10)
    clients.heard("robot", b"", 0.0).open += 1
    for index in range(30):
        clients.heard(f"other_{index}", b"", 1.0 + index)
    assert clients.by_id["robot"].open == 1


def test_every_outcome_but_ok_counts_as_failed_and_leaves_its_reason() -> None:
    client = Client("robot", b"1", Cadence(0.3))
    client.settle(Status.OK, "")
    client.settle(Status.ERROR, "ValueError: broken")
    assert (client.ok, client.failed, client.last_error) == (1, 1, "error: ValueError: broken")
    client.settle(Status.EXPIRED, "")
    assert (client.ok, client.failed, client.last_error) == (1, 2, "expired")


def test_an_observation_that_its_own_client_replaced_is_no_error_of_it() -> None:
    client = Client("robot", b"1", Cadence(0.3))
    client.settle(Status.SUPERSEDED, "a newer observation took its place")
    assert (client.failed, client.last_error) == (1, "")


# --- how busy a model is ---


def test_utilization_is_the_share_of_time_that_lanes_work() -> None:
    model = ModelRecord("policy", max_batch=8, lanes=2)
    model.update_utilization(0.0)
    assert math.isnan(model.utilization)
    for second in range(1, 20):
        for _ in range(10):
            model.begin(1)
            model.end(1, 0.05, failed=0)
        model.update_utilization(float(second))
    assert model.utilization == pytest.approx(0.25)


def test_batch_efficiency_compares_with_the_largest_batch() -> None:
    model = ModelRecord("policy", max_batch=8, lanes=1)
    assert math.isnan(model.batch_efficiency(8))
    for size in (1, 2, 4, 8) * 20:
        model.begin(size)
        model.end(size, 0.03 + 0.01 * size, failed=0)
    for _ in range(200):
        model.begin(1)
        model.end(1, 0.04, failed=0)
    assert model.batch_efficiency(8) == pytest.approx((1 / 0.04) / (8 / 0.11), rel=0.05)
    assert model.batch_efficiency(1) == pytest.approx(1.0, rel=0.05)


def test_an_exact_model_is_planned_with_exactly_after_a_few_calls() -> None:
    latency = LatencyModel()
    for size in (1, 1, 8, 4, 2):
        latency.learn(size, 0.02 + 0.01 * size)
    assert latency.predict(8) == pytest.approx(0.1, rel=1e-3)
    assert latency.deviation < 1e-3
    for size in (1, 8, 4, 2) * 50:
        latency.learn(size, (0.02 + 0.01 * size) * (1.1 if size % 8 else 0.9))
    assert latency.deviation > 2e-3
