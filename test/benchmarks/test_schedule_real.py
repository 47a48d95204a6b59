"""The simulated fleet and the same robots on real sockets against a real server agree.

The model sleeps for hundreds of milliseconds and the robots' windows are longer still, so that a
busy machine changes little; `python -m benchmarks schedule --real` compares more, and sharper.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # behind the packages under test

from benchmarks.scheduling.campaign import Run, play
from benchmarks.scheduling.real import play_for_real


def test_what_the_simulation_says_of_an_overloaded_server_is_so() -> None:
    run = Run("open", "W3", 1.2, "protect", seed=5, seconds=8.0)
    simulated, in_order = play(run)["on_time"], play(run._replace(contestant="fifo-8"))["on_time"]
    assert in_order < simulated - 0.4  # so that agreement says something
    assert play_for_real(run)["on_time"] == pytest.approx(simulated, abs=0.15)
