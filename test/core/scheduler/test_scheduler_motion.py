"""The default mode: when a fleet counts as overloaded, and what keeps it moving then."""

from __future__ import annotations

import math

import pytest

from inferential_core.clock import FakeClock
from inferential_core.config.schema import SchedulingConfig
from inferential_core.request import InferenceRequest
from inferential_core.scheduler.deadline_aware import DeadlineAware
from inferential_core.scheduler.fleet_state import FleetState
from inferential_core.scheduler.headroom import Demand
from inferential_core.status import Status
from inferential_core.tracking.latency import LatencyModel

PERIOD_S = 0.02
CHUNK = 50  # of 1 s


class Fleet:
    """A scheduler with a model of 20 + 10 b ms, and robots whose chunks last a second."""

    def __init__(self, **options: object) -> None:
        self.now = 0.0
        self.latency = LatencyModel()
        for size in (1, 1, 8, 4, 2, 8, 1):
            self.latency.learn(size, 0.02 + 0.01 * size)
        config = SchedulingConfig(deadline_aware=options, request_ttl_ms=math.inf)
        self.scheduler = DeadlineAware(config, FakeClock())

    def ask(self, robot: str, steps: int, **fields: object) -> InferenceRequest:
        request = InferenceRequest(
            robot,
            "policy",
            received_at=self.now,
            sent_at=self.now,
            deadline=self.now + steps * PERIOD_S,
            steps_remaining=steps,
            control_period_s=PERIOD_S,
            **{"supersede": True, **fields},  # type: ignore[arg-type]
        )
        self.scheduler.submit(request)
        return request

    def pick(self, limit: int = 8) -> list[InferenceRequest]:
        return self.scheduler.pick("policy", limit, self.now, self.latency)

    def names(self, limit: int = 8) -> str:
        return " ".join(request.client_id for request in self.pick(limit))

    def meet(self, *robots: str, **fields: object) -> None:
        """Each of them was answered once, so that its chunk is known."""
        for robot in robots:
            request = self.ask(robot, 25, **fields)
            assert request in self.pick()
            self.scheduler.answered(request, self.now, CHUNK)
        self.now += 5.0  # whatever they were charged is over

    @property
    def state(self) -> FleetState:
        return self.scheduler._queues["policy"].fleet

    def overload(self) -> None:
        self.state.dry_share, self.state.overloaded = 0.5, True
        too_many = [Demand(rate=1e9, window_s=1.0)]
        self.state.count(lambda _: too_many, [0.0, 1.0], lanes=1, now=math.inf)


# --- when a fleet counts as overloaded ---


def test_a_fleet_whose_robots_run_dry_again_and_again_is_overloaded_until_they_do_no_more() -> (
    None
):
    state = FleetState()
    for _ in range(3):
        state.note(True)
    assert not state.overloaded  # a few may be chance
    for _ in range(30):
        state.note(True)
    assert state.overloaded
    for _ in range(30):
        state.note(False)
    assert state.overloaded  # what is done about it keeps robots moving
    for _ in range(200):
        state.note(False)
    assert not state.overloaded


def test_one_robot_that_stands_for_long_is_one_too_many() -> None:
    state = FleetState()
    state.note_standing(0.5)
    assert not state.overloaded
    state.note_standing(1.5)
    assert state.overloaded


@pytest.mark.parametrize(
    ("robots", "tier", "follows", "first"),
    [(60, 0, True, True), (80, 0, True, False), (60, 1, True, False), (60, 0, False, False)],
)
def test_tiers_come_first_where_a_fleet_of_several_nearly_fits_if_it_asks_late(
    robots: int, tier: int, follows: bool, first: bool
) -> None:
    # Each asks twice a second by itself, and 1.25 times 2 L(8) before it is dry; 80 are answered.
    asked = [Demand(2.0, 0.5, tier, follows), *[Demand(2.0, 0.5, 1, follows)] * (robots - 1)]
    state = FleetState()
    state.count(lambda _: asked, [0.0, *(0.02 + 0.01 * size for size in range(1, 9))], 1, 1.0)
    assert state.tiers_first is first


@pytest.mark.parametrize("mode", ["protect", "fair"])
def test_in_a_mode_that_was_chosen_no_fleet_is_overloaded(mode: str) -> None:
    fleet = Fleet(mode=mode)
    fleet.meet("a", "b")
    for _ in range(100):
        for robot in "ab":
            fleet.ask(robot, 0)
        fleet.pick()
        fleet.now += 2.0
    assert not fleet.state.overloaded


def test_the_first_observation_of_a_robot_says_nothing_as_all_begin_dry() -> None:
    fleet = Fleet()
    for index in range(100):
        fleet.ask(f"r{index}", 0)
        fleet.pick()
    assert fleet.state.dry_share == 0.0


def test_a_refresh_that_crossed_its_answer_says_nothing() -> None:
    fleet = Fleet()
    fleet.meet("a")
    for _ in range(60):
        asked = fleet.ask("a", 10)
        fleet.pick()
        fleet.now += 0.04
        fleet.scheduler.answered(asked, fleet.now, CHUNK)
        fleet.ask("a", 0)  # it cannot know that yet
        fleet.now += 1.0
        fleet.pick()
    assert not fleet.state.overloaded


def test_a_client_that_always_claims_to_be_dry_does_not_make_a_fleet_overloaded() -> None:
    fleet = Fleet()
    fleet.meet("honest", "rogue")
    for step in range(400):
        rogue = fleet.ask("rogue", 0)
        if not step % 10:
            fleet.ask("honest", 25)
        for request in fleet.pick():
            fleet.scheduler.answered(request, fleet.now + 0.03, CHUNK)
        fleet.now += 0.05
        assert rogue is not None
    assert not fleet.state.overloaded


def test_a_robot_that_does_not_refresh_is_dry_where_its_answer_comes_late() -> None:
    fleet = Fleet()
    fleet.meet("a", supersede=False)
    for _ in range(60):
        asked = fleet.ask("a", 1, supersede=False)  # 20 ms, and L(1) is 30
        fleet.pick()
        fleet.scheduler.answered(asked, fleet.now + 0.03, CHUNK)
        fleet.now += 1.0
    assert fleet.state.overloaded


def test_a_fleet_that_asks_for_no_more_than_the_model_can_answer_is_not_overloaded() -> None:
    state = FleetState()
    for now, asked, overloaded in ((1.0, 9.0, False), (2.0, 11.0, True), (3.0, 9.0, False)):
        state.count(lambda _, rate=asked: [Demand(rate, 1.0)], [0.0, 0.1], 1, now)  # type: ignore[misc]
        for _ in range(60):
            state.note(True)
        state.note_standing(1.5)
        assert state.overloaded is overloaded
    state.count(lambda _: [Demand(11.0, 1.0)], [0.0, 0.1], 1, 3.1)  # counted a moment ago
    assert not state.asks_too_much


def test_a_robot_that_stands_for_long_shows_that_its_fleet_is_overloaded_all_the_same() -> None:
    state = FleetState()
    for now in (1.0, 2.0):
        state.count(lambda _: [Demand(9.0, 1.0)], [0.0, 0.1], 1, now)  # of 10 that are answered
        state.note_standing(1.4)
        assert not state.overloaded
        state.note_standing(1.6)
        assert state.overloaded
        for _ in range(100):
            state.note(False)
        assert not state.overloaded


@pytest.mark.parametrize(("stood_s", "overloaded"), [(1.4, False), (1.6, True)])
def test_a_robot_that_does_not_refresh_stands_from_when_its_actions_end(
    stood_s: float, overloaded: bool
) -> None:
    fleet = Fleet()
    fleet.meet("a", "b", supersede=False)
    fleet.ask("a", 10, supersede=False)
    fleet.now += 10 * PERIOD_S + stood_s
    fleet.ask("b", 10, supersede=False)
    fleet.pick()
    assert fleet.state.overloaded is overloaded


def test_what_a_robot_asks_for_does_not_shrink_while_it_stands_still() -> None:
    fleet = Fleet()
    for _ in range(20):
        asked = fleet.ask("a", 0)
        fleet.pick()
        fleet.scheduler.answered(asked, fleet.now + 0.03, CHUNK)
        fleet.now += 2.5  # of which it moves for one second
    fleet.ask("a", 0)
    (demand,) = fleet.scheduler._queues["policy"].demands(fleet.now)
    assert demand.rate == pytest.approx(1.0)


def test_a_robot_that_asks_because_it_was_answered_late_would_have_asked_before() -> None:
    fleet = Fleet()
    fleet.meet("a")  # which asks when half of its chunk is left
    fleet.scheduler.answered(fleet.ask("a", 25), fleet.now, CHUNK)
    for _ in range(3):
        asked = fleet.ask("a", 10)
        fleet.pick()
        fleet.scheduler.answered(asked, fleet.now, CHUNK)
        fleet.now += PERIOD_S
    (demand,) = fleet.scheduler._queues["policy"].demands(fleet.now)
    assert demand.rate == pytest.approx(2.0)


# --- what is done about it ---


def test_of_an_overloaded_fleet_dry_robots_come_first_and_then_those_with_least_left() -> None:
    fleet = Fleet()
    fleet.meet("dry", "half", "little", "other")
    fleet.overload()
    fleet.ask("half", 25)
    fleet.ask("little", 5)
    fleet.now += 0.001
    fleet.ask("other", 0)
    fleet.ask("dry", 0)
    assert fleet.names(limit=3) == "other dry little"
    assert fleet.names() == "half"


def test_a_robot_with_a_long_way_to_go_is_left_out_where_it_would_keep_dry_ones_waiting() -> None:
    fleet = Fleet()
    robots = [f"r{index}" for index in range(7)]
    fleet.meet(*robots, "full")
    fleet.overload()
    for robot in robots:
        fleet.ask(robot, 0)
    fleet.ask("full", 45)  # an answer buys it a tenth of a chunk
    # 7 * (1 - 0.09) / 0.09 = 70.8 chunks a second, and (7 * (1 - 0.1) + 0.1) / 0.1 = 64
    assert fleet.names() == " ".join(robots)
    assert fleet.names() == "full"


def test_a_refresh_that_crossed_its_answer_takes_no_place_while_others_wait() -> None:
    fleet = Fleet()
    fleet.meet("crossed", "a", "b")
    asked = fleet.ask("crossed", 20)
    fleet.pick()
    fleet.now += 0.03
    fleet.ask("crossed", 0)
    fleet.scheduler.answered(asked, fleet.now, CHUNK)
    fleet.overload()
    fleet.now += 0.01
    fleet.ask("a", 25)
    fleet.ask("b", 25)
    assert fleet.names() == "a b"
    assert fleet.names() == "crossed"


@pytest.mark.parametrize("left, ends", [(5, True), (20, False)])
def test_a_refresh_ends_where_the_answer_it_crossed_is_nearly_as_good(
    left: int, ends: bool
) -> None:
    fleet = Fleet()
    fleet.meet("a")
    asked = fleet.ask("a", left)
    fleet.pick()
    fleet.now += 0.03
    refresh = fleet.ask("a", 0)
    fleet.scheduler.answered(asked, fleet.now, CHUNK)
    removed = fleet.scheduler.collect_removed()
    assert [(each, status) for each, status, _ in removed] == [(refresh, Status.SUPERSEDED)] * ends
    assert fleet.names() == ("" if ends else "a")


def test_what_waits_of_a_robot_that_does_not_refresh_never_ends_like_this() -> None:
    fleet = Fleet()
    fleet.meet("a")
    asked = fleet.ask("a", 5)
    fleet.pick()
    fleet.ask("a", 0, supersede=False)
    fleet.scheduler.answered(asked, fleet.now + 0.03, CHUNK)
    assert fleet.names() == "a"


def test_in_mode_fair_a_refresh_that_crossed_its_answer_waits_for_the_others() -> None:
    fleet = Fleet(mode="fair")
    fleet.meet("crossed", "a", "b")
    asked = fleet.ask("crossed", 20)
    fleet.pick()
    fleet.now += 0.03
    fleet.ask("crossed", 0)
    fleet.scheduler.answered(asked, fleet.now, CHUNK)
    fleet.now += 0.4  # it would be the oldest
    fleet.ask("a", 0)
    fleet.ask("b", 1)
    assert fleet.names() == "a b"
    assert fleet.names() == "crossed"


def test_among_dry_robots_the_more_important_tier_is_first_unless_one_waited_a_second() -> None:
    fleet = Fleet()
    fleet.meet("old", "low")
    fleet.meet("top", priority=0)
    fleet.overload()
    fleet.ask("old", 0)
    fleet.now += 1.1
    fleet.ask("low", 0)
    fleet.ask("top", 0, priority=0)
    assert fleet.names(limit=2) == "old top"
    assert fleet.names() == "low"


def test_where_tiers_come_first_the_first_one_is_served_before_its_robots_are_dry() -> None:
    fleet = Fleet()
    fleet.meet("old")
    fleet.meet("top", priority=0)
    fleet.overload()
    fleet.state.tiers_first = True
    fleet.ask("old", 0)
    fleet.now += 1.1
    fleet.ask("top", 25, priority=0)
    assert fleet.names(limit=1) == "top"
    assert fleet.scheduler.reason("policy").startswith("overloaded, but nearly fits: by tier")


def test_strict_tiers_come_before_all_else() -> None:
    fleet = Fleet(strict_tiers=True)
    fleet.meet("old")
    fleet.meet("top", priority=0)
    fleet.overload()
    fleet.ask("old", 0)
    fleet.now += 1.1
    fleet.ask("top", 25, priority=0)
    assert fleet.names(limit=1) == "top"


def test_robots_that_do_not_refresh_are_served_in_the_order_in_which_they_came() -> None:
    fleet = Fleet()
    fleet.meet("first", "second", supersede=False)
    fleet.overload()
    fleet.ask("first", 25, supersede=False)
    fleet.now += 0.001
    fleet.ask("second", 0, supersede=False)
    assert fleet.names() == "first second"


def test_who_is_charged_waits_while_anybody_is_left_out() -> None:
    fleet = Fleet()
    robots = [f"r{index}" for index in range(9)]
    fleet.meet(*robots, "rogue")
    for _ in range(2):
        asked = fleet.ask("rogue", 0)
        fleet.pick()
        fleet.scheduler.answered(asked, fleet.now, CHUNK)
        fleet.now += 0.02
    fleet.overload()
    for robot in robots:
        fleet.ask(robot, 0)
    fleet.ask("rogue", 0)
    assert fleet.names() == " ".join(robots[:8])
    assert fleet.names() == "r8 rogue"


def test_a_robot_that_was_dry_is_told_when_to_ask_again_too() -> None:
    fleet = Fleet()
    fleet.meet("a")
    fleet.overload()
    asked = fleet.ask("a", 0)
    fleet.pick()
    hint = fleet.scheduler.answered(asked, fleet.now + 0.03, CHUNK)
    assert 25 < hint <= 50 - 0.1 / PERIOD_S  # a full batch before it runs dry, at the latest


def test_no_hint_that_was_never_given_is_taken_for_ignored() -> None:
    fleet = Fleet()
    fleet.meet("a")
    fleet.overload()
    asked = fleet.ask("a", 25)
    fleet.pick()
    fleet.now += 0.03
    crossing = fleet.ask("a", 0)
    assert fleet.scheduler.answered(asked, fleet.now, CHUNK) > 25
    fleet.pick()
    assert fleet.scheduler.answered(crossing, fleet.now, CHUNK) == 0
    fleet.now += 0.5
    asked = fleet.ask("a", 25)  # as it does without a hint
    fleet.pick()
    fleet.scheduler.answered(asked, fleet.now, CHUNK)
    assert fleet.scheduler._queues["policy"].clients["a"].follows_hints


@pytest.mark.parametrize(("strict", "tiers_first"), [(False, False), (False, True), (True, False)])
def test_in_an_overloaded_fleet_too_nobody_waits_longer_than_the_guard_says(
    strict: bool, tiers_first: bool
) -> None:
    fleet = Fleet(starvation_guard_ms=500, guard_share=0.05, strict_tiers=strict)
    rivals = [f"r{index}" for index in range(20)]
    fleet.meet(*rivals, priority=0)
    fleet.meet("modest", priority=3)
    fleet.overload()
    began = fleet.now
    bound = fleet.scheduler.longest_wait_s("policy", 21, fleet.latency)
    modest = fleet.ask("modest", 40, priority=3)
    for robot in rivals:
        fleet.ask(robot, 0, priority=0)
    while True:
        fleet.state.tiers_first = tiers_first
        batch = fleet.pick()
        if modest in batch:
            break
        fleet.now += 0.02 + 0.01 * len(batch)
        assert fleet.now < began + bound
        for robot in rivals:
            fleet.ask(robot, 0, priority=0)
        fleet.overload()


def test_the_guards_bound_reckons_with_curves_that_step() -> None:
    fleet = Fleet()
    straight = fleet.scheduler.longest_wait_s("policy", 10, fleet.latency)
    stepped = LatencyModel()
    stepped.assume({1: 0.03, 4: 0.03, 5: 0.10, 8: 0.10})
    # 3 s, L(8), and for each of the 10 the step of 70 ms at 5 % of the time
    assert straight == pytest.approx(3.0 + 0.1 + 10 * 0.03 / 0.05)
    found = fleet.scheduler.longest_wait_s("policy", 10, stepped)
    assert found == pytest.approx(3.0 + 0.1 + 10 * 0.07 / 0.05)
