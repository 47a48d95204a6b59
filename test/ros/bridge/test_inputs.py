"""When samples make an observation, and which; without ROS running."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from sensor_msgs.msg import JointState
from std_msgs.msg import String

from inferential_ros.bridge.inputs import Inputs
from inferential_ros.contract.loading import parse_contract
from inferential_ros.convert import InputError
from inferential_ros.options.yaml_file import parse_yaml

MS = 1_000_000
NOW = 1_700_000_000_000 * MS
CONTRACT = """
model: {{id: policy}}
observation:
  trigger: {trigger}
  keys:
    left: {{topic: left, type: sensor_msgs/msg/JointState, joints: [a], max_age_s: 0.1}}
    right: {{topic: right, type: sensor_msgs/msg/JointState, joints: [a]}}
    task: {{topic: task, type: std_msgs/msg/String}}
    robot: {{text: arm}}
action:
  names: [a]
  rate_hz: 50
  outputs: [{{topic: out, type: std_msgs/msg/Float64MultiArray, kind: position}}]
"""
LEFT, RIGHT, TASK = 0, 1, 2


def inputs(trigger: str) -> Inputs:
    return Inputs(parse_contract(parse_yaml(CONTRACT.format(trigger=trigger))))


def state(value: float, stamp_ns: int) -> JointState:
    message = JointState(name=["a"], position=[value])
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    return message


def feed(target: Inputs, index: int, value: float, ms: float = 0.0) -> None:
    stamp_ns = NOW + int(ms * MS)
    target.topics[index].store(state(value, stamp_ns), stamp_ns)


def observe(target: Inputs, ms: float = 0.0) -> tuple[dict[str, Any], float]:
    """Values, and the stamp in ms after NOW."""
    now_ns = NOW + int(ms * MS)
    values, stamp_ns = target.assemble(target.take(now_ns), now_ns)
    return values, (stamp_ns - NOW) / MS


def test_the_newest_samples_make_the_observation_and_the_reference_stamps_it() -> None:
    target = inputs("{on: right}")
    feed(target, LEFT, 1.0, 0)
    feed(target, RIGHT, 2.0, 5)
    feed(target, RIGHT, 3.0, 15)
    target.topics[TASK].store(String(data="pour"), NOW)
    values, stamp_ms = observe(target, 20)
    assert values["left"].tolist() == [1.0] and values["right"].tolist() == [3.0]
    assert (values["task"], values["robot"], stamp_ms) == ("pour", "arm", 15.0)


def test_on_a_key_each_of_its_samples_is_sent_once() -> None:
    target = inputs("{on: left}")
    assert not target.due(NOW, 0.0)
    feed(target, RIGHT, 1.0)
    assert not target.due(NOW, 0.0)
    feed(target, LEFT, 1.0)
    assert target.due(NOW, 1.0)
    target.take(NOW)
    assert not target.due(NOW, 0.0)


def test_on_several_keys_all_must_be_new() -> None:
    target = inputs("{on: [left, right]}")
    feed(target, LEFT, 1.0)
    assert not target.due(NOW, 0.0)
    feed(target, RIGHT, 1.0)
    assert target.due(NOW, 0.0)
    target.take(NOW)
    feed(target, RIGHT, 2.0)
    assert not target.due(NOW, 0.0)


def test_on_runway_only_a_short_one_and_a_new_sample() -> None:
    target = inputs("{runway: 0.5}")
    feed(target, LEFT, 1.0)
    assert not target.due(NOW, 0.51)
    assert target.due(NOW, 0.5)
    target.take(NOW)
    assert not target.due(NOW, 0.0)


def test_at_a_rate_the_mean_rate_is_kept_though_samples_come_at_another() -> None:
    target = inputs("{rate_hz: 10}")
    sent = []
    for ms in range(0, 1000, 30):
        feed(target, LEFT, 1.0, ms)
        if target.due(NOW + ms * MS, 0.0):
            target.take(NOW + ms * MS)
            sent.append(ms)
    assert sent == [0, 120, 210, 300, 420, 510, 600, 720, 810, 900]


def test_a_sample_that_is_missing_or_too_old_or_ahead_is_named() -> None:
    target = inputs("{on: right}")
    feed(target, RIGHT, 1.0, 0)
    with pytest.raises(InputError, match="observation.keys.left: no message on left yet"):
        observe(target)
    feed(target, LEFT, 1.0, 0)
    target.topics[TASK].store(String(data="pour"), NOW)
    observe(target, 100)
    with pytest.raises(InputError, match="left.max_age_s: the newest sample is 0.101 s old"):
        observe(target, 101)
    with pytest.raises(InputError, match="left.max_age_s: .* 0.200 s ahead"):
        observe(target, -200)
    assert "0.200 s ahead" in target.topics[LEFT].error and not target.topics[RIGHT].error


def test_stamps_of_another_clock_are_told_as_such() -> None:
    target = inputs("{on: left}")
    target.topics[LEFT].store(state(1.0, 12_500 * MS), NOW)
    with pytest.raises(InputError, match="stamped in simulated time; set use_sim_time, and"):
        observe(target)
    feed(target, LEFT, 1.0)
    with pytest.raises(InputError, match="has use_sim_time, but nothing comes on /clock"):
        target.assemble(target.take(0), 0)


def test_a_message_that_nobody_stamped_counts_from_its_reception() -> None:
    target = inputs("{on: left}")
    target.topics[LEFT].store(state(1.0, 0), NOW + 7 * MS)
    assert target.topics[LEFT].stamp_ns == NOW + 7 * MS


def test_what_was_fresh_before_a_break_starts_nothing_after_it() -> None:
    target = inputs("{on: left}")
    feed(target, LEFT, 1.0)
    target.forget_fresh()
    assert not target.due(NOW, 0.0)
