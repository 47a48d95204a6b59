"""The default of `supersede` and `trigger` is never the worst, by the bridge's own classes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # behind the packages under test

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from benchmarks.requery import BAR, DEFAULT, REAL, SETTINGS, Cell, grid, play, play_for_real

# Where a chunk is neither over before any answer nor lasts for many.
TELLING = [
    cell
    for cell in grid()
    if 0.7 < cell.steps / cell.rate_hz / (cell.robots * cell.latency_ms / 1000.0) < 4.0
]


@pytest.mark.parametrize("cell", TELLING[::5], ids=str)
def test_the_default_is_within_two_points_of_the_best_setting(cell: Cell) -> None:
    dry = {setting: play(cell, setting, 8.0).dry for setting in SETTINGS}
    assert dry[DEFAULT] <= min(dry.values()) + BAR, dry


def test_sixteen_steps_and_a_slow_model_leave_the_robot_dry_as_little_as_can_be() -> None:
    assert play(Cell(16, 30, 300, 1), DEFAULT).dry < 0.35


def test_a_robot_with_long_chunks_asks_no_more_often_than_it_needs() -> None:
    outcome = play(Cell(100, 20, 200, 4), DEFAULT)
    assert outcome.dry == 0.0 and outcome.rate_hz < 0.6


@pytest.mark.parametrize("cell", REAL, ids=str)
def test_in_real_time_the_default_does_as_in_simulated_time(cell: Cell) -> None:
    assert abs(play_for_real(cell, DEFAULT, 2.0).dry - play(cell, DEFAULT).dry) < 0.1
