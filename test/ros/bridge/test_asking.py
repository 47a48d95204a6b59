"""When the next observation is worth its way, without ROS running and without a server."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from inferential_ros.bridge.options import make_executor
from inferential_ros.bridge.requery_policy import RequeryPolicy, Tuning
from inferential_ros.contract.loading import parse_contract
from inferential_ros.execution.plan import Plan
from inferential_ros.options.yaml_file import parse_yaml

MS = 1_000_000
NOW = 1_700_000_000_000 * MS
CONTRACT = """
model: {{id: policy {model}}}
observation:
  trigger: {trigger}
  keys:
    state: {{topic: state, type: sensor_msgs/msg/JointState, joints: [a]}}
action:
  names: [a]
  rate_hz: 50
  mode: {mode}
  outputs: [{{topic: out, type: std_msgs/msg/Float64MultiArray, kind: position}}]
"""


class Robot:
    """Asks as its contract says; ten steps of 20 ms are a chunk."""

    def __init__(self, trigger="{runway: 0.5}", mode="queue", model="") -> None:
        text = CONTRACT.format(trigger=trigger, mode=mode, model=model)
        contract = parse_contract(parse_yaml(text))
        self.executor = make_executor(contract)
        self.asking = RequeryPolicy(contract, self.executor)
        self.plans = 0

    def plan(self, ms: int, hint: int = 0) -> None:
        self.plans += 1
        plan = Plan(np.zeros((10, 1)), NOW + ms * MS, 20 * MS, request_id=self.plans)
        self.asking.planned(self.executor.accept(plan, NOW + ms * MS), hint)

    def low(self, *times_ms: int) -> list[bool]:
        return [self.asking.low(NOW + ms * MS) for ms in times_ms]

    def may(self, in_flight: int, ms: int) -> bool:
        return self.asking.may(in_flight, NOW + ms * MS)


def test_a_robot_asks_when_the_threshold_is_reached() -> None:
    robot = Robot()
    assert robot.low(0) == [True]  # it has nothing to execute yet
    robot.plan(0)
    assert robot.low(0, 99, 100, 300) == [False, False, True, True]


@pytest.mark.parametrize("supersede", ["", ", supersede: true"])
def test_nothing_is_asked_while_a_plan_is_yet_to_begin(supersede: str) -> None:
    robot = Robot(model=supersede)
    ahead = Plan(np.zeros((10, 1)), NOW + 300 * MS, 20 * MS, request_id=1)
    robot.asking.planned(robot.executor.accept(ahead, NOW), 0)
    assert [robot.may(0, ms) for ms in (0, 299, 300, 700)] == [False, False, True, True]
    assert robot.executor.tick(NOW + 300 * MS).source.value == "plan"


def test_the_server_may_move_that_moment_either_way() -> None:
    robot = Robot()
    robot.plan(0, hint=8)
    assert robot.low(100, 159, 160) == [False, False, True]
    robot.plan(20, hint=2)
    assert robot.low(59, 60) == [False, True]


def test_a_hint_holds_for_its_chunk_only_and_never_beyond_it() -> None:
    robot = Robot()
    robot.plan(0, hint=1000)
    assert robot.low(199, 200) == [False, True]
    robot.plan(200)
    assert robot.low(299, 300) == [False, True]


def test_a_hint_can_be_disobeyed_and_the_threshold_be_changed_while_it_runs() -> None:
    robot = Robot()
    robot.plan(0, hint=8)
    robot.asking.tuning = Tuning(obey_hints=False)
    assert robot.low(99, 100) == [False, True]
    robot.asking.tuning = Tuning(runway=0.9, obey_hints=False)
    assert robot.low(19, 20) == [False, True]


def test_other_triggers_ask_whatever_is_left() -> None:
    for trigger in ("{on: state}", "{rate_hz: 10}"):
        robot = Robot(trigger)
        robot.plan(0, hint=8)
        assert robot.low(0, 100) == [True, True]
        assert robot.may(3, 0)  # and a newer observation takes the older one's place


def test_with_a_runway_one_is_asked_at_a_time_but_a_dry_robot_asks_once_more() -> None:
    robot = Robot()
    assert robot.may(0, 0)
    robot.plan(0)
    robot.asking.asked(NOW + 100 * MS)
    assert not robot.may(1, 110) and not robot.may(1, 199)
    assert robot.may(1, 200)  # what it sees now is worth more than what it asked then
    robot.asking.asked(NOW + 200 * MS)
    assert not robot.may(2, 220)
    robot.asking.forget()
    robot.executor.clear()
    assert not robot.may(1, 400)  # after a pause it is not dry, it has not begun


def test_a_robot_with_chunks_of_less_than_two_answers_asks_with_every_sample() -> None:
    robot = Robot()
    for ms in (0, 150, 300):  # a chunk lasts 200 ms, an answer takes 150
        robot.asking.asked(NOW + ms * MS)
        robot.plan(ms)
        assert not robot.asking.short_of_actions or ms == 300
        robot.asking.answered(robot.executor.newest, 0, NOW + (ms + 150) * MS)
    assert robot.asking.short_of_actions
    robot.asking.asked(NOW + 450 * MS)
    assert robot.may(1, 460) and robot.may(5, 490) and robot.low(460) == [True]


def test_answers_are_measured_one_after_the_other_while_observations_wait() -> None:
    robot = Robot()
    robot.plan(0)
    for ms in (0, 30, 60):
        robot.asking.asked(NOW + ms * MS)
    for ms in (40, 80, 120):  # the second began when the first was done
        robot.asking.answered(robot.executor.newest, 1, NOW + ms * MS)
    assert robot.asking.answer_ns == 40 * MS


def test_a_robot_asks_in_time_for_an_answer_that_takes_longer_than_the_threshold_leaves() -> None:
    robot = Robot("{runway: 0.1}")
    robot.plan(0)
    for ms in (-300, -200, -100):
        robot.asking.asked(NOW + ms * MS)
        robot.asking.answered(robot.executor.newest, 0, NOW + (ms + 50) * MS)
    assert robot.low(139, 140) == [False, True]


def test_one_at_a_time_means_it_where_the_contract_says_so() -> None:
    robot = Robot(model=", supersede: false")
    robot.plan(0)
    robot.asking.asked(NOW)
    assert robot.may(0, 100) and not robot.may(1, 300)


def test_in_open_loop_nothing_is_asked_before_the_plan_is_over() -> None:
    robot = Robot("{on: state}", mode="open_loop")
    assert robot.may(0, 0) and not robot.may(1, 0)
    robot.plan(0)
    assert not robot.may(0, 199) and robot.may(0, 200)
