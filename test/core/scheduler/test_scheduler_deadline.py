"""The default strategy: who is late, who is protected, who is charged, and nobody starves."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferential_core.clock import FakeClock
from inferential_core.config.schema import SchedulingConfig
from inferential_core.request import InferenceRequest
from inferential_core.scheduler.deadline_aware import DeadlineAware
from inferential_core.tracking.latency import LatencyModel


def learned(fixed: float = 0.02, each: float = 0.01) -> LatencyModel:
    """Of a model that takes exactly fixed + each * b seconds."""
    latency = LatencyModel()
    for size in (1, 1, 8, 4, 2, 8, 1):
        latency.learn(size, fixed + each * size)
    return latency


class House:
    """A scheduler for one model, with its clock in the test's hands."""

    def __init__(self, fixed: float = 0.02, each: float = 0.01, **options: object) -> None:
        self.now = 0.0
        self.latency = learned(fixed, each)
        self.scheduler = DeadlineAware(
            SchedulingConfig(deadline_aware=options, request_ttl_ms=math.inf), FakeClock()
        )

    def ask(self, client: str, due_in: float = math.inf, **fields: object) -> InferenceRequest:
        request = InferenceRequest(
            client, "policy", received_at=self.now, deadline=self.now + due_in, **fields
        )
        self.scheduler.submit(request)
        return request

    def pick(self, limit: int = 8) -> list[InferenceRequest]:
        return self.scheduler.pick("policy", limit, self.now, self.latency)

    def names(self, limit: int = 8) -> str:
        return " ".join(request.client_id for request in self.pick(limit))

    def contend(self) -> None:
        """Somebody loses the chance it had, so that the model is known to be overloaded."""
        self.ask("lost", 0.05, supersede=True, time_until_next=9.0)
        self.ask("lost2", 0.05, supersede=True, time_until_next=9.0)
        self.now += 0.04
        self.scheduler.tick()


# --- while all can be in time ---


def test_the_earliest_deadline_goes_first_and_the_batch_is_done_by_it() -> None:
    house = House()
    for index in range(6):
        house.ask(f"later_{index}", 1.0)
    house.ask("soon", 0.045)
    assert house.names() == "soon later_0"  # L(2) = 40 ms; L(3) would be 50
    assert len(house.pick()) == 5


def test_a_free_model_waits_for_nobody() -> None:
    house = House()
    house.ask("a", 10.0)
    assert house.names() == "a"


def test_deadlines_are_looked_at_when_the_batch_is_formed() -> None:
    house = House()
    house.ask("a", 0.035)
    house.ask("b", 0.20)
    house.now = 0.01  # a cannot make it any more
    assert [request.client_id for request in house.pick(limit=1)] == ["b"]


def test_spare_places_go_to_late_ones_while_nobodys_deadline_suffers() -> None:
    house = House()
    house.ask("dry", 0.0)
    house.ask("a", 0.045)
    assert house.names() == "a dry"
    house.ask("dry", 0.0)
    house.ask("b", 0.035)
    assert house.names() == "b"  # with two it would be 40 ms
    assert house.names() == "dry"


def test_a_model_whose_latency_is_unknown_serves_all_it_can() -> None:
    house = House()
    house.latency = LatencyModel()
    for index in range(9):
        house.ask(f"r{index}", 0.01)
    assert len(house.pick()) == 8


def test_a_late_one_is_served_not_dropped() -> None:
    house = House()
    house.ask("a", 0.035)
    house.now = 1.0
    assert house.names() == "a"
    assert house.scheduler.collect_removed() == []


# --- when not all can ---


def test_overload_serves_full_batches_of_those_who_can_be_in_time() -> None:
    house = House()
    for index in range(30):
        house.ask(f"r{index}", 0.151)  # only one batch of eight, and a small one, can
    batch = house.pick()
    assert len(batch) == 8
    house.now += 0.1
    assert [len(house.pick())] == [3]  # 50 ms are left: L(3)


def test_important_tiers_are_served_first_in_overload() -> None:
    house = House()
    for index in range(20):
        house.ask(f"low_{index}", 0.11, priority=1)
    for index in range(8):
        house.ask(f"top_{index}", 0.11, priority=0)
    assert {name.split("_")[0] for name in house.names().split()} == {"top"}


def test_a_late_robot_that_will_ask_again_waits_for_its_newer_observation() -> None:
    house = House()
    house.contend()
    assert house.pick() == []
    assert house.scheduler.hold_until("policy") > house.now
    fresh = house.ask("lost", 0.2, supersede=True)
    assert fresh.waiting_since == 0.0  # and it keeps its place in time
    assert house.pick() == [fresh]


def test_without_misses_for_a_while_late_ones_are_served_all_the_same() -> None:
    house = House()
    house.contend()
    house.pick()
    house.now = house.scheduler.hold_until("policy")
    assert house.names() == "lost"  # one at a time, as others may come
    assert house.names() == "lost2"


def test_a_robot_that_stands_still_is_not_made_to_wait_for_a_refresh() -> None:
    house = House()
    house.contend()
    house.ask("dry", 0.0, supersede=True, steps_remaining=0, time_until_next=9.0)
    assert house.names() == "dry"


def test_who_does_not_refresh_as_expected_stands_still() -> None:
    house = House()
    house.ask("silent", 0.05, supersede=True, time_until_next=0.2)
    house.ask("silent2", 0.05, supersede=True, time_until_next=0.2)
    house.now = 0.04
    assert house.pick() == []
    assert house.scheduler.hold_until("policy") == pytest.approx(0.3)  # 1.5 times its interval
    house.now = 0.301
    assert house.names() == "silent silent2"


def test_fair_mode_serves_who_waited_longest_however_late() -> None:
    house = House(mode="fair")
    for index in range(20):
        house.ask(f"r{index}", 0.11)
        house.now += 0.001
    assert house.names() == " ".join(f"r{index}" for index in range(8))
    house.now += 0.1
    house.ask("new", 0.5)
    assert house.names() == " ".join(f"r{index}" for index in range(8, 16))


def test_fair_mode_goes_by_deadlines_while_all_can_be_in_time() -> None:
    house = House(mode="fair")
    house.ask("later", 1.0)
    house.ask("soon", 0.035)
    assert house.names() == "soon"


# --- nobody starves ---


@pytest.mark.parametrize("mode", ["protect", "fair"])
@pytest.mark.parametrize("fields", [{"priority": 3}, {"steps_remaining": 0}])
def test_who_waits_is_served_within_the_stated_bound(mode: str, fields: dict[str, int]) -> None:
    house = House(mode=mode, starvation_guard_ms=500, guard_share=0.05)
    rivals = 40
    modest = [house.ask(f"modest_{index}", 0.001, **fields) for index in range(5)]
    bound = house.scheduler.longest_wait_s("policy", rivals + 5, house.latency)
    assert bound < 0.5 + 0.1 + 45 * 0.65
    for index in range(rivals):
        house.ask(f"r{index}", 0.12, priority=0, supersede=True)
    served: dict[str, float] = {}
    while len(served) < len(modest):
        assert house.now < bound
        batch = house.pick()
        for request in batch:
            if request in modest:
                served[request.client_id] = house.now
        house.now += 0.02 + 0.01 * len(batch) if batch else 0.005
        for index in range(rivals):  # all of them refresh before every batch
            house.ask(f"r{index}", 0.12, priority=0, supersede=True)


def test_the_guard_takes_no_more_than_its_share() -> None:
    house = House(starvation_guard_ms=100, guard_share=0.1)
    for index in range(200):
        house.ask(f"late_{index}", 0.001, priority=2, supersede=True, time_until_next=1e9)
    spent = guarded = 0.0
    while house.now < 20.0:
        for index in range(16):
            house.ask(f"r{index}", 0.101, supersede=True)
        batch = house.pick()
        took = 0.02 + 0.01 * len(batch)
        late = sum(request.client_id.startswith("late") for request in batch)
        spent += took
        guarded += late * took / len(batch)
        house.now += took
    assert 0.0 < guarded / spent <= 0.11


# --- whose turn it is, and whose it is not ---


def rogue(house: House) -> InferenceRequest:
    return house.ask("rogue", 0.0, urgency=1.0, steps_remaining=0, control_period_s=0.02)


def test_a_client_that_claims_to_be_dry_right_after_an_answer_goes_last() -> None:
    house = House()
    house.ask("honest", 0.5, steps_remaining=8, control_period_s=0.02)
    house.pick()
    (request,) = [rogue(house)]
    house.pick()
    house.scheduler.answered(request, house.now, horizon=16)  # 320 ms worth of actions
    house.now += 0.02
    (first,) = [rogue(house)]
    house.pick()
    house.scheduler.answered(first, house.now, horizon=16)
    house.now += 0.02
    rogue(house)
    dry = {"steps_remaining": 0, "control_period_s": 0.02, "priority": 2}
    for index in range(3):  # they stand still too, and their tier is a lower one
        house.ask(f"r{index}", 0.0, **dry)
    assert house.names(limit=3) == "r0 r1 r2"
    assert house.names() == "rogue"  # when nobody else wants the model


def test_who_is_charged_gets_one_place_even_of_an_idle_model() -> None:
    house = House()
    house.ask("honest", 0.5)
    house.pick()
    for _ in range(2):
        request = rogue(house)
        house.pick()
        house.scheduler.answered(request, house.now, horizon=16)
        house.now += 0.02
    waiting = [rogue(house) for _ in range(5)]
    assert house.pick() == waiting[:1]


def test_charged_is_what_is_served_not_what_is_asked() -> None:
    house = House()
    house.ask("other", 1.0)
    house.pick()
    for _ in range(50):
        request = house.ask("robot", 0.5, steps_remaining=8, control_period_s=0.02, supersede=True)
        house.now += 0.001
    assert house.pick() == [request]
    client = house.scheduler._queues["policy"].clients["robot"]
    # Interval unknown but for arrivals each millisecond: nothing to speak of is charged.
    assert client.throttled_until < house.now + 0.002


def test_who_is_charged_is_not_shut_out() -> None:
    house = House()
    queues = house.scheduler._queues
    for _ in range(100):
        house.ask("honest", 1.0)
        request = rogue(house)
        house.pick()
        house.scheduler.answered(request, house.now, horizon=16)
    assert queues["policy"].clients["rogue"].throttled_until <= house.now + 4 * 0.32 / 1.5 + 1e-9


def test_alone_a_client_may_ask_as_fast_as_it_likes() -> None:
    house = House()
    for _ in range(20):
        request = rogue(house)
        assert house.pick() == [request]
        house.scheduler.answered(request, house.now, horizon=16)
        house.now += 0.03
    waiting = [rogue(house) for _ in range(5)]
    assert house.pick() == waiting


def test_the_observations_of_one_client_keep_their_order() -> None:
    house = House()
    first = house.ask("a", 1.0, urgency=0.1)
    later = house.ask("a", 0.5, urgency=0.9, steps_remaining=0)
    between = house.ask("b", 0.7)
    assert house.pick() == [first, between, later]


def test_a_later_observation_in_a_hurry_hurries_the_one_before_it() -> None:
    house = House()
    house.ask("b", 0.2)
    relaxed = house.ask("a", 5.0)
    house.ask("a", 0.1)
    assert house.pick(limit=1) == [relaxed]


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.floats(-0.1, 0.5), st.floats(0, 0.05), st.booleans()),
        max_size=40,
    ),
    st.integers(1, 4),
    st.sampled_from(["protect", "fair"]),
)
def test_no_client_is_ever_answered_out_of_order(
    arrivals: list[tuple[str, float, float, bool]], limit: int, mode: str
) -> None:
    house = House(mode=mode)
    newest: dict[str, float] = {}
    for client, due_in, passed, pick in arrivals:
        house.ask(client, due_in)
        house.now += passed
        for request in house.pick(limit) if pick else ():
            assert request.received_at >= newest.get(request.client_id, -math.inf)
            newest[request.client_id] = request.received_at


def test_only_whom_it_may_be_given_is_in_the_batch() -> None:
    house = House()
    for name in "abcdef":
        house.ask(name, 0.5)
    house.ask("a", 0.5)
    chosen = house.scheduler.pick(
        "policy", 8, 0.0, house.latency, lambda waiting: [waiting[1], waiting[4]]
    )
    assert [request.client_id for request in chosen] == ["b", "e"]
    assert len(house.scheduler.pending) == 5


def test_two_lanes_are_planned_with() -> None:
    house = House()
    house.scheduler.lanes = {"policy": 2}
    for index in range(12):
        house.ask(f"r{index}", 0.12, priority=index)
    # One lane could not serve both batches in time and would begin with the important ones.
    assert len(house.pick()) == 8
    assert len(house.pick()) == 4


def test_a_client_that_left_for_good_is_forgotten() -> None:
    house = House()
    for index in range(3000):
        house.now = 0.1 * index
        house.ask(f"visitor_{index}", 1.0)
        house.pick()
    assert len(house.scheduler._queues["policy"].clients) < 1200


# --- hints and room ---


def converse(house: House, robots: int, seconds: float, obey: bool = True) -> Counter[int]:
    """Robots with chunks of 50 steps of 20 ms that ask when half is left, or when they are told.

    Returns how many observations the model was given in each second.
    """
    asks = {f"r{index}": house.now for index in range(robots)}
    used = dict.fromkeys(asks, 25)
    given: Counter[int] = Counter()
    until = house.now + seconds
    while house.now < until:
        for name, at in asks.items():
            if at <= house.now:
                house.ask(
                    name,
                    0.02 * (50 - used[name]),
                    steps_remaining=50 - used[name],
                    control_period_s=0.02,
                    supersede=True,
                )
                asks[name] = math.inf
        batch = house.pick()
        given[int(house.now)] += len(batch)
        house.now += 0.02 + 0.01 * len(batch) if batch else 0.002
        for request in batch:
            steps = house.scheduler.answered(request, house.now, horizon=50)
            used[request.client_id] = steps if steps and obey else 25
            asks[request.client_id] = request.received_at + 0.02 * used[request.client_id]
    return given


def test_hints_make_a_fleet_that_asks_too_much_ask_less() -> None:
    told = House()
    given = converse(told, robots=48, seconds=6.0)  # 96 a second at 80 at most
    assert 60 <= given[5] <= 74  # 0.9 of what the model can do, at most
    ignored = House()
    assert converse(ignored, robots=48, seconds=6.0, obey=False)[5] > 74


def test_a_fleet_that_fits_gets_hints_only_to_spread_it() -> None:
    house = House()
    converse(house, robots=20, seconds=4.0)
    clients = house.scheduler._queues["policy"].clients.values()
    assert sum(client.hinted_steps > 0 for client in clients) == 0


@pytest.mark.parametrize("asked_after_s", [0.800, 0.801, 0.895])
def test_when_a_robot_asks_is_known_better_than_in_whole_steps(asked_after_s: float) -> None:
    house = House()
    for _ in range(2):
        steps = int((1.6 - asked_after_s) / 0.1)  # whole steps it has left, of 16 of 100 ms
        request = house.ask("slow", 0.1 * steps, steps_remaining=steps, control_period_s=0.1)
        house.pick()
        house.scheduler.answered(request, house.now + 0.03, horizon=16)
        house.now += asked_after_s
    client = house.scheduler._queues["policy"].clients["slow"]
    assert client.natural_steps == pytest.approx(asked_after_s / 0.1)


def test_who_takes_no_hints_is_given_none() -> None:
    house = House()
    converse(house, robots=64, seconds=6.0, obey=False)
    clients = list(house.scheduler._queues["policy"].clients.values())
    assert any(not client.follows_hints for client in clients)
    assert not any(client.hinted_steps for client in clients)


def test_a_deadline_is_brought_forward_by_what_the_network_wobbles() -> None:
    house = House()
    for step in range(60):
        away = 0.03 if step % 2 else 0.01
        house.ask("far", 0.035, sent_at=house.now - away)
        house.pick()
        house.now += 0.1
    house.ask("far", 0.036, sent_at=house.now - 0.02)
    house.ask("near", 0.045, sent_at=house.now - 0.02)
    assert [request.client_id for request in house.pick(limit=1)] == ["near"]  # far is late


def test_a_hint_leaves_time_to_be_answered() -> None:
    house = House()
    converse(house, robots=79, seconds=6.0)
    clients = house.scheduler._queues["policy"].clients.values()
    assert 0 < max(client.hinted_steps for client in clients) <= 40  # 200 ms before it runs dry


def test_room_for_more_robots_like_these() -> None:
    house = House()
    scheduler = house.scheduler
    assert math.isnan(scheduler.headroom("policy", 0.0, house.latency))
    converse(house, robots=10, seconds=4.0)
    # 0.9 * 80 observations a second, two for each robot
    assert scheduler.headroom("policy", house.now, house.latency) == pytest.approx(26, abs=1)
    crowded = House()
    converse(crowded, robots=50, seconds=4.0, obey=False)
    assert crowded.scheduler.headroom("policy", crowded.now, crowded.latency) < 0


def test_tight_deadlines_leave_less_room() -> None:
    rooms = []
    for window in (0.5, 0.101):
        house = House()
        for step in range(40):
            house.now = 0.1 * step
            house.ask("a", window)
            house.pick()
        rooms.append(house.scheduler.headroom("policy", house.now, house.latency))
    # 0.1 s hold two batches of three, L(3) = 50 ms: 54 of the 72 a second
    assert rooms == [pytest.approx(6), pytest.approx(4)]


def test_a_dry_robot_that_was_answered_meanwhile_is_in_no_hurry() -> None:
    house = House()
    asked = {"steps_remaining": 0, "control_period_s": 0.02, "supersede": True}
    older = house.ask("a", 0.0, **asked)
    assert house.pick() == [older]
    house.now = 0.01
    newer = house.ask("a", 0.0, **asked)  # while the model is at it
    house.now = 0.03
    house.scheduler.answered(older, house.now, horizon=50)  # until 1.0
    assert house.scheduler._queues["policy"].clients["a"].deadline == 1.0
    house.now = 0.9
    house.ask("b", 0.05)
    assert [request.client_id for request in house.pick(limit=1)] == ["b"]
    assert house.pick() == [newer]


# --- a model that is done with all that waits in no time ---


def brief_house(**options: object) -> House:
    house = House(fixed=1e-5, each=1e-5, **options)
    house.ask("first")
    assert house.names() == "first"
    return house


def test_a_model_that_takes_no_time_gets_all_that_wait_in_the_order_they_came() -> None:
    house = brief_house()
    for name, due_in in (("c", 3.0), ("a", -1.0), ("b", 0.1), ("a", 1.0)):
        house.ask(name, due_in)
    assert house.names() == "c a b a"
    assert not len(house.scheduler.pending)


def test_where_not_all_have_room_a_choice_is_made_however_little_time_it_takes() -> None:
    house = brief_house()
    for name, due_in in (("c", 3.0), ("b", 0.1), ("a", 1.0)):
        house.ask(name, due_in)
    assert house.names(limit=2) == "b a"
    assert house.names() == "c"


def test_a_choice_is_made_again_as_soon_as_the_model_takes_its_time() -> None:
    house = brief_house()
    house.ask("c", 3.0)
    house.ask("b", 0.1)
    house.latency = learned(0.02, 0.01)
    house.ask("a", 1.0)
    assert house.names() == "b a c"


def test_what_has_not_been_looked_at_yet_is_superseded_and_expires_like_all_else() -> None:
    house = brief_house()
    house.scheduler.pending._ttl = 1.0
    house.ask("old")
    house.ask("a", supersede=True)
    newer = house.ask("a", supersede=True)
    house.now = 0.5
    house.ask("b")
    house.scheduler.pending.expire(1.2)
    ended = [
        (each.client_id, str(status)) for each, status, _ in house.scheduler.collect_removed()
    ]
    assert ended == [("a", "superseded"), ("old", "expired"), ("a", "expired")]
    assert newer not in house.scheduler.pending
    assert house.names() == "b"


def test_one_that_comes_back_is_before_those_that_came_later() -> None:
    house = brief_house()
    back = house.ask("a")
    assert house.pick() == [back]
    house.now = 0.001
    newer = house.ask("a")
    house.scheduler.put_back(back)
    assert house.pick() == [back, newer]
