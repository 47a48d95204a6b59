"""A free model waits for a robot that keeps its cadence, where that robot would be late else."""

from __future__ import annotations

import math

import pytest

from inferential_core.clock import FakeClock
from inferential_core.config.schema import SchedulingConfig
from inferential_core.request import InferenceRequest
from inferential_core.scheduler.cadence_wait import Expected, expected, fewest_late
from inferential_core.scheduler.client_queue import ClientQueue
from inferential_core.scheduler.deadline_aware import DeadlineAware
from inferential_core.tracking.latency import LatencyModel

SECONDS = [0.0, *(0.04 + 0.008 * size for size in range(1, 9))]
INTERVAL_S = 0.5


class Cadenced:
    """Robot `b` asks twice a second, 5 ms after robot `a`, and has to be answered within 80 ms.

    An answer to `a` alone takes 48 ms: `b`, which waits for that, is late. Both take 56 ms.
    """

    def __init__(
        self,
        a_ms: float = 150.0,
        b_ms: float = 80.0,
        stated: bool = True,
        lag_s: float = 0.005,
        **options: float,
    ) -> None:
        self.latency = LatencyModel()
        self.latency.assume(dict(enumerate(SECONDS[1:], 1)))
        self.latency.learn(1, 9.0)  # the warm-up
        config = SchedulingConfig.model_validate(
            {"request_ttl_ms": math.inf, "deadline_aware": options}
        )
        self.scheduler = DeadlineAware(config, FakeClock())
        self.budgets_ms = {"a": a_ms, "b": b_ms, "like b": b_ms}
        self.phases_s = {"a": 0.0, "b": lag_s, "like b": lag_s}
        self.stated = stated
        self.batches: list[str] = []
        self.reasons: list[str] = []
        self.waits_s: list[float] = []
        self.free_at = 0.0

    def turn(self, number: int, **late_s: float) -> None:
        """Each robot that is named asks once, so much later than its cadence says."""
        begins = 10.0 + number * INTERVAL_S
        phases_s = self.phases_s
        asked = sorted((begins + phases_s.get(each, 0.2) + late_s[each], each) for each in late_s)
        for at, name in asked:
            self.serve(until=at)
            budget_ms = self.budgets_ms.get(name, 150.0)
            request = InferenceRequest(
                name,
                "policy",
                received_at=at,
                latency_budget_ms=budget_ms,
                budget_is_stated=self.stated,
            )
            request.set_deadline()
            self.scheduler.submit(request)
            self.free_at = max(self.free_at, at)
        self.serve(until=begins + INTERVAL_S)

    def serve(self, until: float) -> None:
        """The model takes what it is given, or waits as long as it is told to."""
        waiting = self.scheduler.pending
        while waiting.count("policy") and self.free_at < until:
            batch = self.scheduler.pick("policy", 8, self.free_at, self.latency)
            if batch:
                self.batches.append("".join(sorted(each.client_id for each in batch)))
                self.free_at += SECONDS[len(batch)]
                continue
            self.reasons.append(self.scheduler.reason("policy"))
            again = self.scheduler.hold_until("policy")
            self.waits_s.append(again - self.free_at)
            self.free_at = min(again, until)


def test_a_robot_that_would_be_late_is_waited_for() -> None:
    fleet = Cadenced()
    for number in range(12):
        fleet.turn(number, a=0.0, b=0.0)
    assert fleet.batches[:2] == ["a", "b"]
    assert fleet.batches[-6:] == ["ab"] * 6
    assert set(fleet.reasons) == {"waits for 1 more that keeps its cadence"}
    assert fleet.waits_s == pytest.approx([0.005] * len(fleet.waits_s), abs=0.001)
    assert "for robots about to ask" in fleet.scheduler.explain("policy")


def test_nobody_is_waited_for_who_is_in_time_anyway() -> None:
    fleet = Cadenced(b_ms=100.0)
    for number in range(12):
        fleet.turn(number, a=0.0, b=0.0)
    assert fleet.batches == ["a", "b"] * 12


def test_nobody_is_waited_for_at_the_cost_of_a_deadline() -> None:
    fleet = Cadenced(a_ms=60.0)  # together they are done after 61 ms
    for number in range(12):
        fleet.turn(number, a=0.0, b=0.0)
    assert fleet.batches == ["a", "b"] * 12


def test_one_deadline_is_not_given_up_for_two_others() -> None:
    fleet = Cadenced(a_ms=60.0)
    for number in range(12):
        fleet.turn(number, **{"a": 0.0, "b": 0.0, "like b": 0.0})
    assert not fleet.reasons
    assert fleet.batches[-2:] == ["a", "blike b"]


def test_nobody_is_waited_for_longer_than_half_a_call() -> None:
    fleet = Cadenced(b_ms=60.0, lag_s=0.03)  # together they would be done after 86 ms
    for number in range(12):
        fleet.turn(number, a=0.0, b=0.0)
    assert fleet.batches == ["a", "b"] * 12


def test_nobody_is_waited_for_where_deadlines_are_assumed() -> None:
    fleet = Cadenced(stated=False)
    for number in range(12):
        fleet.turn(number, a=0.0, b=0.0)
    assert not fleet.reasons


def test_nobody_is_waited_for_where_deadlines_are_switched_off() -> None:
    fleet = Cadenced(cadence_weight=0)
    for number in range(12):
        fleet.turn(number, a=0.0, b=0.0)
    assert not fleet.reasons


@pytest.mark.parametrize("third", [False, True])
def test_nobody_is_waited_for_in_a_fleet_whose_arrivals_cannot_be_predicted(third: bool) -> None:
    fleet = Cadenced()
    for number in range(12):
        later = 0.06 * (number % 3)
        if third:
            fleet.turn(number, a=0.0, b=0.0, c=later)
        else:
            fleet.turn(number, a=0.0, b=later)
    assert not fleet.reasons


def test_a_robot_that_asked_once_and_left_is_soon_no_obstacle() -> None:
    fleet = Cadenced()
    fleet.turn(0, a=0.0, b=0.0, c=0.0)
    for number in range(1, 12):
        fleet.turn(number, a=0.0, b=0.0)
    assert fleet.batches[-4:] == ["ab"] * 4


def test_a_robot_that_does_not_come_is_waited_for_twice_at_most_and_not_for_long() -> None:
    fleet = Cadenced()
    for number in range(12):
        fleet.turn(number, a=0.0, b=0.0)
    fleet.reasons.clear()
    fleet.waits_s.clear()
    for number in range(12, 20):
        fleet.turn(number, a=0.0)
    assert 1 <= len(fleet.reasons) <= 2
    assert sum(fleet.waits_s) <= 0.5 * SECONDS[1]
    assert fleet.batches[-8:] == ["a"] * 8


def test_a_client_that_asks_too_often_is_not_planned_with() -> None:
    client = ClientQueue("b", arrived_at=10.0, interval=0.05, intervals=9)
    assert len(expected([client], 10.0, SECONDS)) == 4  # while two full batches take 208 ms
    client.interval = 1e-6
    assert expected([client], 10.0, SECONDS) == []


def test_the_best_plan_leaves_out_as_few_as_can_be() -> None:
    due = 10.1
    three = [Expected(due, 10.0)] * 3
    assert fewest_late(three[:2], 10.0, SECONDS) == 0
    assert fewest_late(three, 10.0, SECONDS) == 0  # 64 ms
    assert fewest_late(three, 10.04, SECONDS) == 1  # two of them take 56 ms
    assert fewest_late([*three[:2], Expected(due + 0.01, 10.05)], 10.0, SECONDS) == 0
    assert fewest_late([*three[:2], Expected(due + 0.001, 10.06)], 10.0, SECONDS) == 1
    assert fewest_late(three * 3, 10.06, SECONDS) == 5  # of nine, more than a plan leaves out
