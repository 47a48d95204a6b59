"""How many more robots a model can carry, while robots come, leave and run dry."""

from __future__ import annotations

import math
from random import Random

import pytest

from inferential_core.scheduler.headroom import Demand, capacity, headroom, share_in_time, spread
from inferential_core.simulation.robots import HINTED, PLAIN, ClosedRobot, Habits
from inferential_core.simulation.serving import MODEL, OurServer
from inferential_core.simulation.simulation import Model, Simulation, fleet_of
from inferential_core.simulation.workload import Kind, Workload
from inferential_core.tracking.latency import LatencyModel
from inferential_core.tracking.timing import most_seconds

SECONDS = [0.0, *(0.02 + 0.01 * size for size in range(1, 9))]
PI05 = Workload("T", "pi0.5-like", (Kind(50, 50, 0.5),), 0.02, 0.01, 8, 0.005, 0.002)


class Guest(ClosedRobot):
    """Asks from when it came until it leaves, s."""

    leaves_at = math.inf

    @property
    def wake_at(self) -> float:  # type: ignore[override]
        at = super().wake_at
        return at if at < self.leaves_at else math.inf


def fleet(habits: Habits, stays: dict[tuple[float, float], int]) -> list[Guest]:
    """(comes, leaves) -> how many robots do so."""
    robots: list[Guest] = []
    for (comes, leaves), count in stays.items():
        for _ in range(count):
            index = len(robots)
            start = comes + Random(index).uniform(0.0, 0.5)
            robots.append(Guest(index, PI05.kinds[0], PI05, Random(-index), habits, start))
            robots[-1].leaves_at = leaves
    return robots


@pytest.mark.parametrize("habits", [PLAIN, HINTED], ids=["plain", "hinted"])
def test_ten_seconds_after_a_change_of_the_fleet_headroom_is_exact_to_one_robot(
    habits: Habits,
) -> None:
    stays = {(0.0, math.inf): 10, (0.0, 20.0): 14, (10.0, 30.0): 26}
    server = OurServer(PI05, "deadline_aware", {}, supersedes=True)
    simulation = Simulation(fleet(habits, stays), server, Model(PI05))
    for seconds, robots in ((10.0, 24), (20.0, 50), (30.0, 36), (40.0, 10)):
        simulation.run(seconds, drain=False)
        room = server.scheduler.headroom(MODEL, seconds, server.model.latency)
        assert robots + room == pytest.approx(36, abs=1)  # 90 % of 80 answers a second


@pytest.mark.parametrize(("sizes", "fits"), [((1, 1, 1, 1), False), ((1, 1, 1, 2), True)])
def test_places_of_known_clients_that_are_away_shut_nobody_out_once_two_sizes_were_seen(
    sizes: tuple[int, ...], fits: bool
) -> None:
    latency = LatencyModel()  # 40 + 4 b ms: 22 observations a second in ones, and 111 in eights
    for size in (1, *sizes):
        latency.learn(size, 0.04 + 0.004 * size)
    two = [Demand(2.5, 0.59)] * 2
    share = share_in_time(two, 11, most_seconds(latency, 8))  # ten are away, and a stranger comes
    assert (share >= 0.98) is fits


def test_the_tightest_tenth_of_what_is_asked_sets_the_batch() -> None:
    tight, wide = Demand(1.0, 0.1), Demand(1.0, 1.0)
    most, fewer = (capacity([window], SECONDS) for window in (1.0, 0.1))
    assert most == pytest.approx(0.9 * 8 / 0.1)
    assert headroom([wide] * 19 + [tight], SECONDS) == math.floor(most - 20)
    assert headroom([wide] * 17 + [tight] * 3, SECONDS) == math.floor(fewer - 20)
    often = Demand(3.0, 0.1)  # one robot of twenty asks for more than a tenth
    spare = (fewer - 22) / (22 / 20)
    assert headroom([wide] * 19 + [often], SECONDS) == math.floor(spare)


def test_hints_leave_time_for_batches_that_can_answer_the_whole_fleet() -> None:
    # W3: chunks of 1 s, asked for after 0.4 s; batches of b take 40 + 33 b ms
    seconds = [0.0, *(0.04 + 0.033 * size for size in range(1, 9))]
    robot = Demand(rate=2.5, window_s=0.59)
    sizes = [spread([robot] * robots, seconds).size for robots in (9, 10, 13, 14, 40)]
    # 9 ask for less than full batches answer. Of 13, batches of 8 answer 23.7 a second and leave
    # no time to ask later than by themselves (32.5 a second), and those of 4 answer 20.9 of the
    # 20.1 that are asked for 0.344 s before a robot is dry. Of 40, no size answers all.
    assert sizes == [8, 7, 4, 3, 3]
    assert spread([robot] * 18, seconds, lanes=2).size == 8
    assert spread([Demand(2.5, math.inf)] * 13, seconds).size == 8  # they cannot ask later
    deaf = Demand(2.5, 0.59, follows_hints=False)
    assert spread([deaf] * 13, seconds).size == 8  # nor do these


def test_a_fleet_keeps_moving_whose_robots_have_no_time_for_two_full_batches() -> None:
    oft = Workload("T", "OFT-like", (Kind(25, 25, 0.6),), 0.04, 0.033, 8, 0.005, 0.003)
    robots = fleet_of(oft, 1.2, 0, HINTED)
    server = OurServer(oft, "deadline_aware", {}, supersedes=True)
    Simulation(robots, server, Model(oft)).run(20.0, drain=False)
    stalls = [
        end - begin
        for robot in robots
        if isinstance(robot, ClosedRobot)
        for begin, end in robot.motion.stalls
        if begin > 10.0
    ]
    assert len(robots) == 13
    assert sum(stalls) < 0.005 * 10.0 * len(robots)


def test_nothing_is_known_before_somebody_asks_or_the_model_was_called() -> None:
    assert math.isnan(headroom([], SECONDS))
    assert math.isnan(headroom([Demand(1.0, 1.0)], [0.0, 1e-6]))
