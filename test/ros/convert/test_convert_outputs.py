"""Values of a tick -> commands: every usual type, any other by its fields, stamps and units."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from builtin_interfaces.msg import Time
from converting import encoder
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import JointState

from inferential_ros.contract.loading import parse_contract
from inferential_ros.contract.schema import Output
from inferential_ros.options.errors import ContractError
from inferential_ros.options.yaml_file import parse_yaml

CONTRACT = """
model: {{id: policy}}
observation:
  keys:
    state: {{topic: joint_states, type: sensor_msgs/msg/JointState, joints: [a]}}
action:
  names: [a, b, c, d, e, f, g]
  rate_hz: 50
  outputs: [{{topic: out, {output}}}]
"""


def output(text: str) -> Output:
    return parse_contract(parse_yaml(CONTRACT.format(output=text))).action.outputs[0]


def test_a_twist_takes_six_or_the_ones_that_are_named() -> None:
    six = encoder("geometry_msgs/msg/Twist", tuple("abcdef"), "twist")(np.arange(6.0))
    assert (six.linear.z, six.angular.x, six.angular.z) == (2.0, 3.0, 5.0)
    encode = encoder("geometry_msgs/msg/Twist", kind="twist", fields=["linear.x", "angular.z"])
    two = encode(np.array([0.5, -1.0]))
    assert (two.linear.x, two.linear.y, two.angular.z) == (0.5, 0.0, -1.0)
    with pytest.raises(ContractError, match="output.fields: is missing.*linear.x.*2 actions"):
        encoder("geometry_msgs/msg/Twist", kind="twist")


def test_what_a_servo_takes_is_stamped_when_it_is_published() -> None:
    stamped = output(
        "type: geometry_msgs/msg/TwistStamped, select: [a, b],"
        " fields: [twist.linear.x, twist.angular.z], set: {header.frame_id: base}"
    )
    assert (stamped.kind, stamped.fallback) == ("twist", "zeros")
    message = stamped.encode(np.array([1.0, 2.0]))
    assert isinstance(message, TwistStamped) and message.header.frame_id == "base"
    assert stamped.stamp is not None
    stamped.stamp(message, Time(sec=3))
    assert message.header.stamp.sec == 3


def test_a_trajectory_is_never_stamped() -> None:
    assert output("type: trajectory_msgs/msg/JointTrajectory").stamp is None


@pytest.mark.parametrize("kind", ["position", "velocity", "effort"])
def test_joint_states_carry_the_field_of_their_kind_by_joint_name(kind: str) -> None:
    encode = encoder("sensor_msgs/msg/JointState", kind=kind, joints=["left", "right"])
    message = encode(np.array([0.5, -1.0]))
    assert isinstance(message, JointState) and list(message.name) == ["left", "right"]
    filled = {f: list(getattr(message, f)) for f in ("position", "velocity", "effort")}
    assert filled.pop(kind) == [0.5, -1.0] and not any(filled.values())


def test_floats_of_both_widths() -> None:
    for name in ("Float32MultiArray", "Float64MultiArray"):
        assert list(encoder(f"std_msgs/msg/{name}")(np.array([0.5, -1.0])).data) == [0.5, -1.0]


def test_any_type_takes_values_and_constants_by_its_fields() -> None:
    encode = encoder(
        "sensor_msgs/msg/Imu",
        names=("x", "c"),
        fields=["angular_velocity.x", "angular_velocity_covariance[4]"],
        set={"header.frame_id": "imu", "orientation.w": 0.5},
    )
    message = encode(np.array([1.5, 2.5]))
    assert (message.angular_velocity.x, message.angular_velocity_covariance[4]) == (1.5, 2.5)
    assert (message.header.frame_id, message.orientation.w) == ("imu", 0.5)
    assert encode(np.zeros(2)) is not message


def test_whole_numbers_and_truths_are_rounded_to_what_the_field_takes() -> None:
    whole = encoder("std_msgs/msg/Int32", names=("a",), fields=["data"])(np.array([1.7]))
    assert whole.data == 2
    truth = encoder("std_msgs/msg/Bool", names=("a",), fields=["data"])(np.array([1.0]))
    assert truth.data is True


def test_an_action_chunk_of_one_step_says_what_is_executed() -> None:
    pytest.importorskip("inferential.msg", reason="the messages are not built: make build")
    chunk = output("type: inferential/msg/ActionChunk, kind: position, select: [b, a]")
    message = chunk.encode(np.array([0.5, -1.0]))
    assert (list(message.names), message.horizon, list(message.data)) == (["b", "a"], 1, [0.5, -1])
    assert message.lease.nanosec == message.period.nanosec == 20_000_000
    assert chunk.stamp is not None
    chunk.stamp(message, Time(sec=3))
    assert message.start.sec == message.header.stamp.sec == 3


@pytest.mark.parametrize(
    ("text", "path", "told"),
    [
        ("type: sensor_msgs/msg/Imu, kind: effort", "fields", "is missing: name one of header"),
        (
            "type: std_msgs/msg/Float64, kind: effort, select: [a], fields: [dta]",
            "fields[0]",
            "did you mean 'data'",
        ),
        (
            "type: std_msgs/msg/Float64, kind: effort, select: [a, b], fields: [data]",
            "fields",
            "1 fields for 2 actions",
        ),
        (
            "type: std_msgs/msg/String, kind: effort, select: [a], fields: [data]",
            "fields[0]",
            "is text",
        ),
        (
            "type: geometry_msgs/msg/Pose, kind: position, select: [a], fields: [position]",
            "fields[0]",
            "more than one number",
        ),
        (
            "type: geometry_msgs/msg/Twist, select: [a], fields: [linear.x], set: {linear.x: 1}",
            "set.linear.x",
            "goes there already",
        ),
        (
            "type: geometry_msgs/msg/Twist, select: [a], fields: [linear.x], set: {linear.y: up}",
            "set.linear.y",
            "does not fit",
        ),
        ("type: geometry_msgs/msg/Twist, kind: position", "kind", "there are twist"),
        ("type: sensor_msgs/msg/JointState, joints: [x]", "joints", "1 joints for 7 actions"),
        ("type: sensor_msgs/msg/JointState, select: [7]", "select[0]", "no column 7"),
        ("type: sensor_msgs/msg/JointState, select: '0:9'", "select", "goes beyond"),
        ("type: sensor_msgs/msg/JointState, select: '3:3'", "select", "selects no column"),
        ("type: sensor_msgs/msg/JointState, select: [0, a]", "select[1]", "selected twice"),
        ("type: sensor_msgs/msg/JointState, select: 'a:b'", "select", "a slice such as"),
        ("type: sensor_msgs/msg/JointState, max_step: {h: 1}", "max_step.h", "not named here"),
        ("type: sensor_msgs/msg/JointState, max_step: 0", "max_step", "greater than 0"),
        ("type: sensor_msgs/msg/JointState, decelerate_s: 1", "decelerate_s", "is for fallback"),
    ],
)
def test_a_wrong_output_is_named(text: str, path: str, told: str) -> None:
    with pytest.raises(ContractError) as caught:
        output(text)
    assert caught.value.path == f"action.outputs[0].{path}" and told in caught.value.problem


@pytest.mark.parametrize(
    ("select", "columns"),
    [
        ("[c, a]", (2, 0)),
        ("[2, 0]", (2, 0)),
        ("'0:3'", (0, 1, 2)),
        ("'-2:'", (5, 6)),
        ("':2'", (0, 1)),
    ],
)
def test_columns_are_selected_by_name_index_or_slice(select: str, columns: tuple[int]) -> None:
    assert output(f"type: sensor_msgs/msg/JointState, select: {select}").columns == columns


def test_limits_and_steps_are_stated_in_the_units_of_the_message() -> None:
    """The actions are degrees, the message radians; b is turned round and shifted."""
    joints = output(
        "type: sensor_msgs/msg/JointState, select: [a, b], unit: deg,"
        " scale: {b: -1}, offset: {b: 0.5}, limits: [-1.0, 2.0], max_step: {b: 0.1}"
    )
    positions = joints.encode(np.array([180.0, 90.0])).position
    np.testing.assert_allclose(positions, [np.pi, 0.5 - np.pi / 2])
    for lower_or_upper in (joints.limits.lower, joints.limits.upper):
        reached = joints.encode(np.array(lower_or_upper)).position
        np.testing.assert_allclose(sorted(np.abs(reached - np.array([0.5, 0.5]))), [1.5, 1.5])
    assert joints.limits.lower[1] < joints.limits.upper[1]
    assert joints.max_step is not None and joints.max_step[0] == np.inf
    np.testing.assert_allclose(joints.max_step[1], np.rad2deg(0.1))
