"""Rotations that a model gives relative to the observed pose, and states of several parts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import JointState

from inferential_core import Reply, Status
from inferential_ros import geometry
from inferential_ros.bridge.inputs import Inputs
from inferential_ros.bridge.options import make_executor
from inferential_ros.bridge.plans import left_over_values, make_plan
from inferential_ros.bridge.server_link import Observation
from inferential_ros.contract.loading import parse_contract
from inferential_ros.contract.schema import Contract
from inferential_ros.execution.plan import PlanRefused
from inferential_ros.options.errors import ContractError

HALF = math.sqrt(0.5)
COLUMNS = {
    "quaternion": ["x", "qx", "qy", "qz", "qw"],
    "rotation_6d": ["x", *(f"r{index}" for index in range(6))],
    "rotation_vector": ["x", "vx", "vy", "vz"],
    "rpy": ["x", "roll", "pitch", "yaw"],
}
WRITTEN = {
    "quaternion": lambda quaternion: quaternion,
    "rotation_6d": geometry.to_6d,
    "rotation_vector": geometry.to_rotation_vector,
    "rpy": geometry.to_rpy,
}
POSE = {"topic": "tool", "type": "geometry_msgs/msg/PoseStamped"}


def contract(form: str, keys: dict[str, Any], relative: Any, **action: Any) -> Contract:
    names = COLUMNS[form]
    output = {"topic": "cmd", "type": "std_msgs/msg/Float64MultiArray", "kind": "position"}
    return parse_contract(
        {
            "model": {"id": "policy"},
            "observation": {"keys": keys},
            "action": {
                "names": names,
                "rate_hz": 10,
                "outputs": [output],
                form: names[1:],
                "relative": relative,
                **action,
            },
        }
    )


def observed(made: Contract, *messages: Any) -> dict[str, Any]:
    inputs = Inputs(made)
    for index, message in enumerate(messages):
        message.header.stamp.sec = 1
        inputs.store(index, message, 10**9)
    return inputs.assemble(inputs.take(10**9), 10**9)[0]


def pose(x: float, *quaternion: float) -> PoseStamped:
    message = PoseStamped()
    message.pose.position.x = x
    for name, value in zip("xyzw", quaternion):
        setattr(message.pose.orientation, name, value)
    return message


def answer(actions: Any) -> Reply:
    return Reply(1, "policy", Status.OK, 0.0, 0.0, result={"actions": np.asarray(actions)})


@pytest.mark.parametrize("seen", [None, "quaternion_wxyz", *COLUMNS])
@pytest.mark.parametrize("form", COLUMNS)
def test_a_rotation_turns_the_observed_one_further_about_the_same_fixed_axes(
    form: str, seen: str | None
) -> None:
    """Seen a quarter turn about z, told a quarter turn about x: the tool's x axis, which was y,
    points along z, and its z axis along -y.
    """
    key = POSE if seen is None else {**POSE, "rotation": seen}
    relative = {"x": "tool.pose.position.x", COLUMNS[form][1]: "tool.pose.orientation"}
    made = contract(form, {"tool": key}, relative)
    values = observed(made, pose(2.0, 0.0, 0.0, HALF, HALF))
    told = np.array([[0.5, *WRITTEN[form](np.array([HALF, 0.0, 0.0, HALF]))]])
    plan = make_plan(made.action, Observation(values, 0, 0, 0), answer(told))
    assert plan.actions[0, 0] == 2.5
    (group,) = made.action.execution.geometry
    turned = group.read(plan.actions[0, group.at])
    np.testing.assert_allclose(geometry.rotate(turned, [1.0, 0, 0]), [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(geometry.rotate(turned, [0, 0, 1.0]), [0, -1, 0], atol=1e-6)


def test_what_a_model_is_told_is_left_is_relative_again() -> None:
    made = contract("quaternion", {"tool": POSE}, ["qx"], mode="rtc")
    executor = make_executor(made)
    before = observed(made, pose(0.0, 0.0, 0.0, HALF, HALF))
    told = np.tile([0.0, HALF, 0.0, 0.0, HALF], (4, 1))
    executor.accept(make_plan(made.action, Observation(before, 0, 0, 0), answer(told)), 0)
    left = left_over_values(made.action, executor, 0, before)["prev_chunk_left_over"]
    np.testing.assert_allclose(np.abs(left[0]), np.abs(told[0]), atol=1e-6)
    now = observed(made, pose(0.0, 0.5, -0.5, 0.5, 0.5))  # it has got there
    left = left_over_values(made.action, executor, 0, now)["prev_chunk_left_over"]
    np.testing.assert_allclose(np.abs(left[0]), [0, 0, 0, 0, 1], atol=1e-6)


def test_a_rotation_of_a_model_that_is_none_refuses_the_plan_by_its_columns() -> None:
    made = contract("quaternion", {"tool": POSE}, ["qx"])
    values = observed(made, pose(0.0, 0.0, 0.0, 0.0, 1.0))
    with pytest.raises(
        PlanRefused, match="step 1 of qx, qy, qz, qw is a quaternion of length 0.1"
    ):
        rows = [[0.0, 0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0, 0.1]]
        make_plan(made.action, Observation(values, 0, 0, 0), answer(rows))


def test_the_pose_of_a_frame_is_a_state_too() -> None:
    pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs is not built: make peers")
    key = {"tf": {"frame": "tool0", "in": "base_link"}, "rotation": "rpy"}
    made = contract("rpy", {"tool": key}, ["x", "roll", "pitch", "yaw"])
    values = {"tool": np.array([2.0, 0.0, 0.0, 0.0, 0.0, 0.75], np.float32)}
    told = answer([[0.5, 0.0, 0.0, 0.25]])
    plan = make_plan(made.action, Observation(values, 0, 0, 0), told)
    np.testing.assert_allclose(plan.actions, [[2.5, 0, 0, 1.0]], atol=1e-6)


def test_a_state_may_be_in_one_part_of_a_key_and_have_a_past() -> None:
    joints = {"type": "sensor_msgs/msg/JointState", "joints": ["x"]}
    parts = [{"topic": "left", **joints}, {"topic": "right", **joints}]
    key = {"parts": parts, "history": {"steps": 2, "every_s": 0.1}}
    made = contract("rpy", {"arms": key}, {"x": "arms[1].x"})
    values = observed(made, *(JointState(name=["x"], position=[at]) for at in (3.0, 5.0)))
    assert values["arms"].shape == (2, 2)
    plan = make_plan(made.action, Observation(values, 0, 0, 0), answer([[0.5, 0, 0, 0]]))
    assert plan.actions.tolist() == [[5.5, 0, 0, 0]]


@pytest.mark.parametrize(
    ("keys", "relative", "told"),
    [
        ({"tool": POSE}, {"qx": "tool.pose.position.x"}, "has an element 'tool.pose.position.x'"),
        ({"tool": POSE}, {"x": "tool.pose.orientation"}, "has an element 'tool.pose.orientation'"),
        (
            {"tool": POSE, "cup": POSE},
            ["qx"],
            "several keys have a rotation: write {qx: tool.pose.orientation, qx: cup",
        ),
        (
            {"tool": POSE, "cup": POSE},
            {"qx": "tool.pose.orientation", "qy": "cup.pose.orientation"},
            "the same rotation is relative to another key already",
        ),
        ({"tool": {**POSE, "align": "drop"}}, ["qx"], "no key of the observation has a rotation"),
    ],
)
def test_what_a_rotation_cannot_be_relative_to_is_named(
    keys: Any, relative: Any, told: str
) -> None:
    with pytest.raises(ContractError) as caught:
        contract("quaternion", {"first": {**POSE, "select": ["pose.position"]}, **keys}, relative)
    assert told in caught.value.problem
