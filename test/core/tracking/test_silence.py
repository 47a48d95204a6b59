"""Amber means something: a robot is overdue when its own jitter makes its silence unlikely."""

from __future__ import annotations

import random
from itertools import cycle, islice
from pathlib import Path

import pytest

from inferential_core.tracking.clients import Client, ClientRegistry

RECORDED = [
    [[float(ms) / 1000.0 for ms in line.split()] for line in part.splitlines() if line[0] != "#"]
    for part in (Path(__file__).parent / "arrivals.txt").read_text().split("\n\n")
]
FLEET, OVERLOADED = RECORDED


def lives(intervals: list[float]) -> tuple[Client, float, int]:
    """A robot that sends so, when it sent last, and how often it was overdue and yet there."""
    clients = ClientRegistry(alpha=0.3, disconnect_timeout=10.0)
    robot = clients.heard("robot", b"robot", 0.0)
    clients.observed(robot, "policy", 0.0)
    now, false_alarms = 0.0, 0
    for interval in intervals:
        now += interval
        false_alarms += robot.overdue(now)
        clients.heard("robot", b"robot", now)
        clients.observed(robot, "policy", now)
    return robot, now, false_alarms


def test_of_a_hundred_thousand_arrivals_of_the_demo_fewer_than_ten_are_false_alarms() -> None:
    each = 1 + 100_000 // len(FLEET)
    false_alarms = 0
    for intervals in FLEET:
        false_alarms += lives(list(islice(cycle(intervals), each)))[2]
    assert false_alarms < 10


@pytest.mark.parametrize("length", [20, 50, 10_000])
def test_a_robot_of_the_demo_that_stops_is_overdue_within_three_of_its_periods(
    length: int,
) -> None:
    for intervals in FLEET:
        robot, now, _ = lives(intervals[:length])
        newest = intervals[:length][-10:]
        period = max(sum(newest) / len(newest), 1.0 / robot.cadence.rate)
        assert robot.overdue(now + 3.0 * period)


def test_pauses_that_a_robot_makes_all_the_time_are_no_alarm() -> None:
    """Robots at 50 Hz on a machine that often lets them wait for as long as ten periods."""
    false_alarms = sum(lives(intervals)[2] for intervals in OVERLOADED)
    beyond = 0
    for intervals in OVERLOADED:
        mean = sum(intervals) / len(intervals)
        beyond += sum(interval > 1.5 * mean for interval in intervals)
    assert beyond > 20 * false_alarms
    assert false_alarms < 0.005 * sum(map(len, OVERLOADED))


def test_a_robot_like_a_clock_is_overdue_after_the_multiple_of_its_period() -> None:
    robot, now, _ = lives([0.1] * 1000)
    assert not robot.overdue(now + 0.149)
    assert robot.overdue(now + 0.151)


def test_an_uneven_robot_is_given_more_time_than_an_even_one() -> None:
    chance = random.Random(1)
    robot, now, false_alarms = lives([chance.uniform(0.02, 0.18) for _ in range(10_000)])
    assert false_alarms < 3
    assert not robot.overdue(now + 0.2)
    assert robot.overdue(now + 0.31)


def test_a_single_long_pause_hides_no_later_stop() -> None:
    robot, now, _ = lives([0.1] * 1000 + [5.0] + [0.1] * 100)
    assert robot.overdue(now + 0.5)


def test_a_robot_that_asks_less_often_from_now_on_is_soon_no_alarm() -> None:
    assert lives([0.1] * 1000 + [1.0] * 1000)[2] < 10
