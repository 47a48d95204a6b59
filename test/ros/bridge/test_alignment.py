"""Samples of several topics that belong together: asof, drop and texts that change."""

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
  trigger: {{on: camera}}
  keys:
    camera: {{topic: camera, type: sensor_msgs/msg/JointState, joints: [a]}}
    state: {{topic: state, type: sensor_msgs/msg/JointState, joints: [a], {state}}}
    task: {{topic: task, type: std_msgs/msg/String, text: wait, {task}}}
action:
  names: [a]
  rate_hz: 50
  outputs: [{{topic: out, type: std_msgs/msg/Float64MultiArray, kind: position}}]
"""
CAMERA, STATE, TASK = 0, 1, 2
ASOF = "align: asof, tolerance_s: 0.02"


class Moments:
    """Inputs of the contract above, fed and asked at milliseconds after NOW."""

    def __init__(self, state: str, task: str = "qos: latched") -> None:
        self.inputs = Inputs(parse_contract(parse_yaml(CONTRACT.format(state=state, task=task))))

    def feed(self, index: int, stamp_ms: float, at_ms: float) -> None:
        """A sample whose value is its stamp."""
        message = JointState(name=["a"], position=[float(stamp_ms)])
        stamp = message.header.stamp
        stamp.sec, stamp.nanosec = divmod(NOW + round(stamp_ms * MS), 10**9)
        self.inputs.store(index, message, NOW + round(at_ms * MS))

    def due(self, at_ms: float) -> bool:
        return self.inputs.due(NOW + round(at_ms * MS), 0.0)

    def observe(self, at_ms: float) -> dict[str, Any]:
        now_ns = NOW + round(at_ms * MS)
        values, stamp_ns = self.inputs.assemble(self.inputs.take(now_ns), now_ns)
        numbers = {k: float(v[0]) if k != "task" else v for k, v in values.items()}
        return {**numbers, "stamp": (stamp_ns - NOW) / MS}


def test_asof_waits_for_the_sample_that_may_be_nearer_and_takes_the_nearest() -> None:
    moments = Moments(ASOF)
    moments.feed(STATE, 10, 12)
    moments.feed(CAMERA, 24, 26)
    assert not moments.due(26)
    moments.feed(STATE, 30, 32)
    assert moments.due(32)
    seen = moments.observe(32)
    assert (seen["camera"], seen["state"], seen["stamp"]) == (24.0, 30.0, 24.0)
    assert not moments.due(33)


def test_asof_waits_no_longer_than_the_tolerance() -> None:
    moments = Moments(ASOF)
    moments.feed(STATE, 10, 12)
    moments.feed(CAMERA, 24, 26)
    assert not moments.due(45.9)
    assert moments.due(46)
    assert moments.observe(46)["state"] == 10.0


def test_a_sample_beyond_the_tolerance_stops_the_observation_and_is_named() -> None:
    moments = Moments(ASOF)
    moments.feed(STATE, 3, 5)
    moments.feed(CAMERA, 24, 26)
    with pytest.raises(InputError, match="state.tolerance_s: the nearest sample is 0.021 s from"):
        moments.observe(46)
    assert not moments.due(100)


def test_a_fast_reference_is_not_starved_by_a_slow_key() -> None:
    """The camera is the fast one here; the newest of its samples with known neighbours is sent."""
    moments = Moments(ASOF)
    moments.feed(STATE, 0, 1)
    sent = []
    for ms in range(2, 100, 2):
        if ms % 34 == 0:
            moments.feed(STATE, ms, ms)
        moments.feed(CAMERA, ms, ms)
        if moments.due(ms):
            seen = moments.observe(ms)
            sent.append(seen["camera"])
            assert abs(seen["camera"] - seen["state"]) <= 20.0
    assert sent == sorted(set(sent)) and len(sent) >= 19


def test_at_30_hz_joints_are_never_more_than_half_a_frame_from_the_camera() -> None:
    """Whichever of the two comes first, and with jitter on both."""
    moments = Moments("align: asof, tolerance_s: 0.017")
    frames = []
    for number in range(60):
        frame, jitter = number * 100 / 3, (number * 7 % 5) - 2
        order = [(CAMERA, frame), (STATE, frame + 3 * jitter)]
        for index, stamp in order if number % 2 else order[::-1]:
            moments.feed(index, stamp, frame + 20)
            if moments.due(frame + 20):
                frames.append(moments.observe(frame + 20))
    assert len(frames) >= 58
    assert all(abs(seen["state"] - seen["camera"]) <= 50 / 3 for seen in frames)


def test_what_came_before_a_break_makes_no_observation_after_it() -> None:
    moments = Moments(ASOF)
    moments.feed(CAMERA, 24, 26)
    moments.feed(STATE, 25, 27)
    moments.inputs.forget_fresh()
    assert not moments.due(100)
    moments.feed(CAMERA, 54, 56)
    moments.feed(STATE, 55, 57)
    assert moments.observe(57)["camera"] == 54.0


def test_after_a_simulators_reset_no_sample_of_the_life_before_is_the_nearest() -> None:
    moments = Moments(ASOF)
    for at_ms in (0, 100):
        moments.feed(STATE, at_ms, at_ms)
        moments.feed(CAMERA, at_ms, at_ms)
        assert moments.observe(at_ms)["state"] == at_ms
    moments.inputs.forget_fresh()
    moments.inputs.new_episode(clock_went_back=True)
    moments.feed(STATE, 12, 12)
    moments.feed(CAMERA, 0, 12)
    assert moments.observe(12)["state"] == 12
    moments.feed(STATE, 112, 112)
    moments.feed(CAMERA, 100, 112)
    assert moments.observe(112)["state"] == 112


def test_a_key_that_may_drop_out_is_left_out_when_it_has_nothing_new() -> None:
    moments = Moments("align: drop, max_age_s: 0.05")
    moments.feed(CAMERA, 0, 0)
    assert moments.due(0) and "state" not in moments.observe(0)
    moments.feed(STATE, 1, 1)
    moments.feed(CAMERA, 10, 10)
    assert moments.observe(10)["state"] == 1.0
    moments.feed(CAMERA, 20, 20)
    assert "state" not in moments.observe(20)
    moments.feed(STATE, 21, 21)
    moments.feed(CAMERA, 80, 80)
    assert "state" not in moments.observe(80)  # too old


def test_a_text_holds_until_its_topic_says_another() -> None:
    moments = Moments("align: hold")
    moments.feed(STATE, 0, 0)
    moments.feed(CAMERA, 0, 0)
    assert moments.observe(0)["task"] == "wait"
    moments.inputs.store(TASK, String(data="pour"), NOW)
    moments.feed(CAMERA, 1, 1)
    assert moments.observe(1)["task"] == "pour"


def test_memory_stays_bounded_while_the_reference_is_silent() -> None:
    moments = Moments(ASOF)
    for ms in range(0, 10_000, 5):
        moments.feed(STATE, ms, ms)
    alignment = moments.inputs._alignment
    assert alignment is not None
    assert len(alignment._others["state"].samples) <= 201
