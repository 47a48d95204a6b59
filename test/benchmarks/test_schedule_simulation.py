"""The scheduling benchmark: its robots, its clockwork, and that a seed says it all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))  # behind the packages under test

from benchmarks.scheduling.workloads import LOADS, WORKLOADS  # noqa: E402
from inferential_core.simulation import simulation  # noqa: E402
from inferential_core.simulation.robots import (  # noqa: E402
    PLAIN,
    REACTION_S,
    ClosedRobot,
    Habits,
    Observation,
    OpenRobot,
)
from inferential_core.simulation.workload import Kind, Workload  # noqa: E402

# 10 actions at 10 Hz, asked for when 5 are left; no network; L(b) = 0.1 s + 0.1 s * b
MS = REACTION_S  # later than exactly, a robot does what it does
KIND = Kind(rate_hz=10.0, horizon=10, threshold=0.5)
WORKLOAD = Workload("T", "test", (KIND,), 0.1, 0.1, 4, 0.0, 0.0)


class Fifo:
    """Serves what has come, but refuses the first `refuses`."""

    def __init__(self, hint: int = 0, refuses: int = 0) -> None:
        self.longest_wait_s = 0.0
        self.waiting: list[Observation] = []
        self.refused: list[Observation] = []
        self.hint = hint
        self.refuses = refuses

    def arrive(self, observation: Observation, now: float) -> None:
        assert now == pytest.approx(observation.released_s)
        (self.refused if self.refuses else self.waiting).append(observation)
        self.refuses = max(0, self.refuses - 1)

    def next_batch(self, now: float) -> list[Observation]:
        batch, self.waiting = self.waiting[:4], self.waiting[4:]
        return batch

    def calls(self, size: int) -> list[int]:
        return [size]

    def done(self, batch: list[Observation], seconds: float, now: float) -> list[int]:
        return [self.hint] * len(batch)

    def ended(self) -> list[Observation]:
        refused, self.refused = self.refused, []
        return refused

    def wake_at(self, now: float) -> float:
        return float("inf")


def robot(habits: Habits = PLAIN) -> ClosedRobot:
    return ClosedRobot(0, KIND, WORKLOAD, Random(0), habits, start=0.0)


def run(subject: ClosedRobot | OpenRobot, server: Fifo, seconds: float = 10.0) -> None:
    model = simulation.Model(WORKLOAD)
    simulation.Simulation([subject], server, model).run(seconds, drain=False)
    subject.finish(seconds)


def test_a_robot_that_is_answered_in_time_never_stands_still_after_its_first_chunk() -> None:
    subject = robot()
    run(subject, Fifo())
    assert subject.motion.stalls == [(0.0, pytest.approx(0.2))]  # its first answer takes L(1)
    asked = [each.sent_s for each in subject.asked]
    # The first chunk begins at 0.2 and ends at 1.2: asked when half of it is left, and so on.
    assert asked[:4] == pytest.approx([0.0, 0.7 + MS, 1.2 + 2 * MS, 1.7 + 3 * MS])
    assert [each.steps_remaining for each in subject.asked[:3]] == [0, 4, 4]  # whole ones
    assert all(each.on_time for each in subject.asked[1:-1])


def test_a_plain_robot_loses_no_step_to_an_answer_that_comes_late() -> None:
    subject = robot()
    subject.wake(0.0)
    subject.receive(subject.asked[0], True, 0, 0.0)  # moves until 1.0
    subject.wake(0.5)
    subject.receive(subject.asked[1], True, 0, 3.0)  # had made 5 of the 10 steps when it stopped
    subject.finish(10.0)
    moved = [part.to_s - part.from_s for part in subject.motion.executed]
    assert moved == pytest.approx([1.0, 0.5])
    assert subject.motion.stalls == [pytest.approx((1.0, 3.0)), pytest.approx((3.5, 10.0))]


def test_a_pinned_plan_runs_on_while_the_robot_stands_still() -> None:
    subject = robot(Habits(pinned=True))
    subject.wake(0.0)
    subject.receive(subject.asked[0], True, 0, 0.0)
    subject.wake(0.5)
    subject.receive(subject.asked[1], True, 0, 1.3)  # it covers 0.5 to 1.5
    subject.wake(1.3)
    subject.receive(subject.asked[2], True, 0, 9.0)  # all of it has passed
    subject.finish(10.0)
    moved = [part.to_s - part.from_s for part in subject.motion.executed]
    assert moved == pytest.approx([1.0, 0.2])
    assert subject.wake_at == pytest.approx(9.0)  # and asks again


def test_a_robot_that_runs_dry_sends_a_fresh_observation_that_supersedes_the_older_one() -> None:
    subject = robot(Habits(refreshes=True))
    subject.wake(0.0)
    subject.receive(subject.asked[0], True, 0, 0.0)
    subject.wake(0.5)
    assert subject.wake_at == pytest.approx(1.0 + MS)
    fresh = subject.wake(1.0)
    assert fresh is not None and fresh.supersede and fresh.steps_remaining == 0
    subject.receive(fresh, True, 0, 1.2)
    subject.receive(subject.asked[1], True, 0, 1.3)  # late, and older than what it executes
    subject.finish(2.2)
    assert subject.motion.executed[-1].observed_s == pytest.approx(1.0)
    assert subject.motion.stalls == [pytest.approx((1.0, 1.2))]


def test_a_hint_says_after_how_many_steps_to_ask_again() -> None:
    obeying, other = robot(Habits(obeys_hints=True)), robot()
    for subject in (obeying, other):
        run(subject, Fifo(hint=7), seconds=3.0)
    asked = [[each.sent_s for each in subject.asked[:3]] for subject in (obeying, other)]
    assert asked[0] == pytest.approx([0.0, 0.9 + MS, 1.6 + 2 * MS])
    assert asked[1] == pytest.approx([0.0, 0.7 + MS, 1.2 + 2 * MS])


def test_a_robot_asks_again_once_it_is_told_that_there_will_be_no_answer() -> None:
    subject = robot()
    run(subject, Fifo(refuses=3), seconds=1.0)
    assert [each.sent_s for each in subject.asked] == pytest.approx([0.0] * 4 + [0.7 + MS])
    assert [each.on_time for each in subject.asked] == [False] * 4 + [True]
    assert subject.motion.stalls == [(0.0, pytest.approx(0.2))]


def test_an_open_loop_robot_asks_on_however_late_the_answers_are() -> None:
    random = Random(1)
    subject = OpenRobot(0, KIND, WORKLOAD, random, random)
    run(subject, Fifo(), seconds=50.0)
    assert len(subject.asked) == pytest.approx(100, abs=4)
    assert subject.asked[0].dry_s - subject.asked[0].sent_s == pytest.approx(0.5)


def test_fleets_ask_for_the_stated_share_of_what_the_model_can_serve() -> None:
    for workload in WORKLOADS.values():
        for load in LOADS:
            fleet = [kind for kind in workload.fleet(load) if not kind.rogue]
            asked = sum(1 / kind.interval_s for kind in fleet)
            assert asked / workload.capacity == pytest.approx(load, rel=0.1)


PLAY = """
import json, sys
from benchmarks.scheduling.campaign import Run, play
for loop in ("open", "closed"):
    for contestant in ("protect", "edf"):
        print(json.dumps(play(Run(loop, "W7", 1.2, contestant, 3, 0.05))))
"""


def test_the_same_seed_gives_the_same_figures_in_every_process() -> None:
    told = []
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        environment["PYTHONPATH"] = os.pathsep.join([*filter(None, sys.path), str(ROOT)])
        done = subprocess.run(
            [sys.executable, "-c", PLAY], env=environment, check=True, stdout=subprocess.PIPE
        )
        told.append([json.loads(line) for line in done.stdout.splitlines()])
    assert told[0] == told[1]
    assert len(told[0]) == 4 and told[0][0]["asked"] > 1000


def test_without_jitter_a_robot_asks_like_a_clock() -> None:
    workload, pace = WORKLOADS["W10"], Random(1)
    robot = OpenRobot(0, workload.kinds[0], workload, Random(0), pace)
    asked = [robot.wake(robot.wake_at) for _ in range(5)]
    gaps = [after.sent_s - before.sent_s for before, after in zip(asked, asked[1:])]
    assert gaps == pytest.approx([0.5] * 4)
    assert asked[0].dry_s - asked[0].sent_s == pytest.approx(0.156)
