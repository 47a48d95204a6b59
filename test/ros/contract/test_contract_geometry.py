"""What a contract says of angles and rotations, and what reaches the robot because of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from inferential_ros import geometry
from inferential_ros.bridge.options import make_executor, make_jump_watch
from inferential_ros.contract.loading import parse_contract
from inferential_ros.contract.schema import Contract
from inferential_ros.execution.plan import Plan
from inferential_ros.options.errors import ContractError

JOINTS = {"topic": "t", "type": "sensor_msgs/msg/JointState", "joints": ["a"]}
QUATERNION = ["qx", "qy", "qz", "qw"]
POSE = {
    "topic": "pose",
    "type": "geometry_msgs/msg/PoseStamped",
    "kind": "position",
    "fields": [f"pose.orientation.{part}" for part in "xyzw"],
}
NUMBERS = {"topic": "cmd", "type": "std_msgs/msg/Float64MultiArray", "kind": "position"}


def contract(names: list[str], output: dict[str, Any], **action: Any) -> Contract:
    return parse_contract(
        {
            "model": {"id": "policy"},
            "observation": {"keys": {"state": JOINTS}},
            "action": {"names": names, "rate_hz": 10, "outputs": [output], **action},
        }
    )


def commanded(made: Contract, plans: list[Any], ticks: int) -> list[Any]:
    """The messages of ticks of 10 ms, after plans that begin together."""
    executor = make_executor(made)
    for number, rows in enumerate(plans):
        executor.accept(Plan(np.array(rows, float), 0, 10**8, request_id=number + 1), number)
    output = made.action.outputs[0]
    times_ns = (5 + tick * 10**7 for tick in range(ticks))
    return [output.encode(executor.tick(time_ns).values[0]) for time_ns in times_ns]


def orientation(message: Any) -> list[float]:
    rotation = message.pose.orientation
    return [rotation.x, rotation.y, rotation.z, rotation.w]


@pytest.mark.parametrize(
    ("action", "plans"),
    [
        ({"control_rate_hz": 40}, [[1, -1]]),
        ({"mode": "temporal_ensemble"}, [[1, 1, 1, 1], [-1, -1, -1, -1]]),
        ({"overlap": "average"}, [[1, 1, 1, 1], [-1, -1, -1, -1]]),
    ],
)
def test_an_orientation_is_a_quaternion_without_a_declaration(action: Any, plans: Any) -> None:
    q = np.array([0, 0, 0.7071, 0.7071])
    signed = [[sign * q for sign in plan] for plan in plans]
    found = [orientation(m) for m in commanded(contract(QUATERNION, POSE, **action), signed, 8)]
    assert np.abs(found) == pytest.approx(np.tile(q, (8, 1)), abs=1e-4)
    assert np.abs(np.linalg.norm(found, axis=1) - 1.0).max() < 1e-6


def test_a_message_that_is_itself_a_quaternion_is_one() -> None:
    whole = {**POSE, "type": "geometry_msgs/msg/Quaternion", "fields": list("xyzw")}
    made = contract(QUATERNION, whole, control_rate_hz=40)
    rows = np.outer([1, -1], [0.0, 0.0, 0.6, 0.8])
    lengths = [m.x**2 + m.y**2 + m.z**2 + m.w**2 for m in commanded(made, [rows], 10)]
    np.testing.assert_allclose(lengths, 1.0, atol=1e-6)


def test_a_yaw_alone_is_one_too() -> None:
    yaw = {**POSE, "fields": ["pose.orientation.z", "pose.orientation.w"]}
    made = contract(["z", "w"], yaw, control_rate_hz=100)
    found = [orientation(m) for m in commanded(made, [[[0, 1], [1, 0]]], 10)]
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(10))
    assert found[5] == pytest.approx([0, 0, np.sin(np.pi / 4), np.cos(np.pi / 4)], abs=1e-3)


@pytest.mark.parametrize(
    ("action", "output", "plans", "ticks"),
    [
        ({"control_rate_hz": 100}, {}, [[3.10, -3.10, -3.10]], 20),
        ({"mode": "temporal_ensemble"}, {}, [[3.10] * 5, [-3.10] * 5], 1),
        ({"overlap": "average"}, {}, [[3.10] * 5, [-3.10] * 5], 1),
        ({"control_rate_hz": 100}, {"max_step": 0.05}, [[3.10, 3.10] + [-3.10] * 30], 60),
    ],
)
def test_a_continuous_joint_goes_the_short_way(
    action: Any, output: Any, plans: Any, ticks: int
) -> None:
    made = contract(["yaw"], {**NUMBERS, **output}, continuous=["yaw"], **action)
    rows = [[[value] for value in plan] for plan in plans]
    published = np.array([m.data[0] for m in commanded(made, rows, ticks)])
    assert (np.abs(published) > 3.0).all() and (np.abs(np.diff(published)) < 0.3).all()
    assert abs(geometry.wrapped(published - np.pi)).max() < 0.05


def test_the_turn_of_an_angle_is_counted_in_the_units_of_the_model() -> None:
    made = contract(["yaw"], {**NUMBERS, "unit": "deg"}, continuous=["yaw"], control_rate_hz=20)
    published = [m.data[0] for m in commanded(made, [[[179.0], [-179.0]]], 6)]
    assert published[5] == pytest.approx(np.pi, abs=1e-6)


def test_columns_of_any_form_of_rotation_go_to_a_quaternion() -> None:
    fields = [*(f"pose.position.{axis}" for axis in "xyz"), "pose.orientation"]
    rotation = geometry.from_rpy(np.array([0.1, 0.2, 0.3]))
    for form, numbers in (
        ("rpy", [0.1, 0.2, 0.3]),
        ("rotation_vector", geometry.to_rotation_vector(rotation)),
        ("rotation_6d", geometry.to_6d(rotation)),
        ("quaternion", 0.9 * rotation),
    ):
        parts = [f"r{index}" for index in range(len(numbers))]
        made = contract(["x", "y", "z", *parts], {**POSE, "fields": fields}, **{form: parts})
        message = commanded(made, [[[1.0, 2.0, 3.0, *numbers]]], 1)[0]
        assert orientation(message) == pytest.approx(rotation, abs=1e-6), form
        assert message.pose.position.z == 3.0


def test_a_rotation_goes_to_plain_fields_in_the_form_that_the_message_has() -> None:
    fields = ["linear.x", "angular.x", "angular.y", "angular.z", "linear.z"]
    output = {
        "topic": "c",
        "type": "geometry_msgs/msg/Accel",
        "kind": "position",
        "fields": fields,
        "rotation": "rpy",
    }
    made = contract(["x", *QUATERNION, "z"], output, quaternion=QUATERNION)
    rotation = geometry.from_rpy(np.array([0.1, 0.2, 0.3]))
    message = commanded(made, [[[1.0, *rotation, 2.0]]], 1)[0]
    turned = message.angular
    assert [turned.x, turned.y, turned.z] == pytest.approx([0.1, 0.2, 0.3])
    assert (message.linear.x, message.linear.z) == (1.0, 2.0)
    with pytest.raises(ContractError, match="a rpy needs 3 fields from here on"):
        contract(QUATERNION, {**output, "fields": fields[1:3]}, quaternion=QUATERNION)


def test_fields_after_a_whole_quaternion_keep_their_columns() -> None:
    """Two orientations in one message: one taken whole from six numbers, one by its parts."""
    fields = ["pose.orientation", *(f"twist.linear.{axis}" for axis in "xyz")]
    output = {"topic": "c", "type": "nav_msgs/msg/Odometry", "kind": "position"}
    fields = [f"{each.split('.')[0]}.{each}" for each in fields]
    names = [*(f"r{index}" for index in range(6)), "x", "y", "z"]
    made = contract(names, {**output, "fields": fields}, rotation_6d=names[:6])
    message = commanded(made, [[[1, 0, 0, 0, 1, 0, 5.0, 6.0, 7.0]]], 1)[0]
    assert message.pose.pose.orientation.w == 1.0 and message.twist.twist.linear.z == 7.0
    assert len(made.action.execution.geometry) == 1


def test_a_pair_of_limits_for_all_leaves_rotations_out() -> None:
    pose = {**POSE, "fields": ["pose.position.x", *POSE["fields"]], "limits": [-0.5, 0.5]}
    made = contract(["x", *QUATERNION], pose)
    message = commanded(made, [[[2.0, 0.0, 0.0, 1.0, 0.0]]], 1)[0]
    assert message.pose.position.x == 0.5 and orientation(message)[2] == 1.0


def test_two_rotations_are_a_list_of_lists() -> None:
    names = [*(f"l{i}" for i in range(4)), *(f"r{i}" for i in range(4))]
    made = contract(names, dict(NUMBERS), quaternion=[names[:4], names[4:]])
    groups = made.action.execution.geometry
    assert [group.columns for group in groups] == [(0, 1, 2, 3), (4, 5, 6, 7)]


def test_a_plain_joint_that_jumps_by_more_than_half_a_turn_is_told_of_once() -> None:
    names = ["yaw", "lift", "gripper", "turning"]
    output = {**NUMBERS, "unit": {"lift": "mm", "yaw": "deg"}}
    watch = make_jump_watch(contract(names, output, continuous=["turning"], discrete=["gripper"]))
    small, large = np.zeros((3, 4)), np.zeros((3, 4))
    small[1, 0], large[1] = 179.0, [181.0, 5000.0, 6.0, 6.0]
    found = [watch.found(Plan(rows, 0, 10**8)) for rows in (small, large, large)]
    assert found == [[], [(0, 181.0)], []]


@pytest.mark.parametrize(
    ("names", "output", "action", "path", "told"),
    [
        (["a"], NUMBERS, {"continuous": ["b"]}, "continuous[0]", "no action 'b'"),
        (["a"], NUMBERS, {"continuous": ["a"], "discrete": ["a"]}, "continuous", "discrete"),
        (
            ["a"],
            {**NUMBERS, "kind": "velocity"},
            {"continuous": ["a"]},
            "continuous",
            "no angle",
        ),
        (
            ["a"],
            {**NUMBERS, "unit": "mm"},
            {"continuous": ["a"]},
            "continuous",
            "unit of length",
        ),
        (QUATERNION, NUMBERS, {"rpy": QUATERNION}, "rpy", "a rpy has 3 columns, not 4"),
        (
            QUATERNION,
            {**NUMBERS, "scale": {"qx": 2.0}},
            {"quaternion": QUATERNION},
            "quaternion",
            "'qx' is part of a rotation",
        ),
        (
            QUATERNION,
            {**NUMBERS, "select": ["qx", "qy"]},
            {"quaternion": QUATERNION},
            "outputs[0].select",
            "select qz, qw too",
        ),
        (
            QUATERNION,
            {**POSE, "limits": {"qx": [0, 1]}},
            {},
            "outputs[0].limits.qx",
            "no limits of its own",
        ),
        (QUATERNION, POSE, {"discrete": ["qx"]}, "outputs[0].fields", "cannot be discrete"),
        (
            QUATERNION,
            POSE,
            {"continuous": ["qx"]},
            "outputs[0].fields",
            "declared to be something else",
        ),
        (
            ["z"],
            {**POSE, "fields": ["pose.orientation.z"]},
            {},
            "outputs[0].fields[0]",
            "leave the length of 'pose.orientation' to chance",
        ),
        (
            ["r", "p", "y"],
            {**POSE, "fields": ["pose.orientation"]},
            {},
            "outputs[0].fields[0]",
            "and none begins at column 0",
        ),
    ],
)
def test_a_contradiction_is_named(
    names: list[str], output: Any, action: Any, path: str, told: str
) -> None:
    with pytest.raises(ContractError) as caught:
        contract(names, dict(output), **action)
    assert caught.value.path == f"action.{path}" and told in caught.value.problem
