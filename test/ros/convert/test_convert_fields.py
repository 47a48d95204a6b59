"""Small sensors by dotted fields: every usual type, and any other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from converting import decoder
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import (
    Point,
    Pose,
    PoseStamped,
    Quaternion,
    Twist,
    TwistStamped,
    Vector3,
    WrenchStamped,
)
from nav_msgs.msg import Odometry
from sensor_msgs.msg import BatteryState, Imu, JointState, Joy, LaserScan, Range
from std_msgs.msg import Bool, Float32, Float64, Int64, UInt8
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from inferential_ros.convert import InputError
from inferential_ros.convert.registry import form_of
from inferential_ros.options.errors import ContractError

POINT = Point(x=1.0, y=2.0, z=3.0)
TURN = Quaternion(x=0.1, y=0.2, z=0.3, w=0.9)
POSE = Pose(position=POINT, orientation=TURN)
TWIST = Twist(linear=Vector3(x=4.0, y=5.0, z=6.0), angular=Vector3(x=7.0, y=8.0, z=9.0))
POSE_NUMBERS = [1.0, 2.0, 3.0, 0.1, 0.2, 0.3, 0.9]
TWIST_NUMBERS = [4.0, 5.0, 6.0, 7.0, 8.0, 9.0]


def odometry() -> Odometry:
    message = Odometry()
    message.pose.pose, message.twist.twist = POSE, TWIST
    message.pose.covariance = np.arange(36, dtype=np.float64)
    return message


def wrench() -> WrenchStamped:
    message = WrenchStamped()
    message.wrench.force, message.wrench.torque = TWIST.linear, TWIST.angular
    return message


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            Imu(
                orientation=TURN, angular_velocity=TWIST.linear, linear_acceleration=TWIST.angular
            ),
            [0.1, 0.2, 0.3, 0.9, *TWIST_NUMBERS],
        ),
        (odometry(), [*POSE_NUMBERS, *TWIST_NUMBERS]),
        (POSE, POSE_NUMBERS),
        (PoseStamped(pose=POSE), POSE_NUMBERS),
        (TWIST, TWIST_NUMBERS),
        (TwistStamped(twist=TWIST), TWIST_NUMBERS),
        (wrench(), TWIST_NUMBERS),
        (BatteryState(percentage=0.5), [0.5]),
        (Joy(axes=[0.5, -1.0], buttons=[1, 0, 1]), [0.5, -1.0, 1.0, 0.0, 1.0]),
        (LaserScan(ranges=[1.0, float("inf"), 2.0]), [1.0, np.inf, 2.0]),
        (Float32(data=0.5), [0.5]),
        (Float64(data=-0.5), [-0.5]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_usual_numbers_of_a_type(message: Any, expected: list[float]) -> None:
    package = type(message).__module__.split(".")[0]
    decode = decoder(f"{package}/msg/{type(message).__name__}")
    result = decode(message)
    np.testing.assert_allclose(result, np.float32(expected))
    assert result.dtype == np.float32 and form_of(decode).dtype == "float32"
    assert form_of(decode).shape in ((len(expected),), (None,))


def test_whole_numbers_and_truths_stay_what_they_are() -> None:
    whole = decoder("std_msgs/msg/Int64")(Int64(data=2**40 + 1))
    assert whole.dtype == np.int64 and whole.tolist() == [2**40 + 1]
    assert decoder("std_msgs/msg/UInt8")(UInt8(data=200)).tolist() == [200]
    truth = decoder("std_msgs/msg/Bool")(Bool(data=True))
    assert truth.dtype == np.bool_ and truth.tolist() == [True]


def test_fields_come_in_the_order_they_are_selected_and_messages_expand_to_their_numbers() -> None:
    decode = decoder(
        "nav_msgs/msg/Odometry",
        select=["twist.twist.angular.z", "pose.pose.position", "pose.covariance[0:2]"],
        dtype="float64",
    )
    assert decode(odometry()).tolist() == [9.0, 1.0, 2.0, 3.0, 0.0, 1.0]
    assert form_of(decode).shape == (6,)


def test_arrays_of_messages_are_read_by_index_and_arrays_of_numbers_by_slice() -> None:
    message = JointTrajectory(
        points=[JointTrajectoryPoint(positions=[1.0, 2.0, 3.0]), JointTrajectoryPoint()]
    )
    decode = decoder(
        "trajectory_msgs/msg/JointTrajectory",
        select=["points[0].positions[1:3]", "points[-1].time_from_start.sec"],
    )
    assert decode(message).tolist() == [2.0, 3.0, 0.0]
    with pytest.raises(InputError, match="key.select: .*the message is too short"):
        decode(JointTrajectory())
    with pytest.raises(InputError, match=r"0 values in the message, not 2"):
        decode(JointTrajectory(points=[JointTrajectoryPoint()]))


def test_a_type_without_a_converter_must_say_which_fields_and_the_message_says_which_it_has() -> (
    None
):
    with pytest.raises(ContractError, match=r"key.select: is missing.*radiation_type"):
        decoder("sensor_msgs/msg/Range")
    message = Range(range=1.5, max_range=4.0)
    assert decoder("sensor_msgs/msg/Range", select=["range", "max_range"])(message).tolist() == [
        1.5,
        4.0,
    ]


def test_one_text_field_is_a_text() -> None:
    decode = decoder("diagnostic_msgs/msg/DiagnosticStatus", select=["values[0].value"])
    message = DiagnosticStatus(values=[KeyValue(key="task", value="pour")])
    assert decode(message) == "pour" and form_of(decode).dtype == "string"
    with pytest.raises(ContractError, match="text is a key of its own"):
        decoder("diagnostic_msgs/msg/DiagnosticStatus", select=["name", "message"])


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("angular_velocty.x", "no field 'angular_velocty'; did you mean 'angular_velocity'"),
        ("angular_velocity.w", "Vector3 has no field 'w'"),
        ("angular_velocity.x.y", "'x' is a double and has no fields"),
        ("angular_velocity[0]", "'angular_velocity' is no array"),
        ("angular velocity", "is no field name"),
        ("__class__", "no field '__class__'"),
        ("linear_acceleration_covariance[5:2]", "[5:2] takes nothing"),
        ("linear_acceleration_covariance[9:12]", "[9:12] takes nothing"),
        ("linear_acceleration_covariance[6:12]", "has 9 elements, and they count from 0"),
        ("linear_acceleration_covariance[9]", "has 9 elements, and they count from 0"),
        ("linear_acceleration_covariance[-10]", "has 9 elements, and they count from 0"),
    ],
)
def test_a_wrong_path_is_told_before_any_message_came(path: str, told: str) -> None:
    with pytest.raises(ContractError) as caught:
        decoder("sensor_msgs/msg/Imu", select=["orientation.w", path])
    assert caught.value.path == "key.select[1]" and told in caught.value.problem


def test_the_ends_of_a_fixed_array_are_within_it() -> None:
    covariance = "linear_acceleration_covariance"
    paths = [f"{covariance}[{index}]" for index in ("-9", "8", "0:9", "-9:-1", ":9", "-9:")]
    assert decoder("sensor_msgs/msg/Imu", select=paths).form.shape == (1 + 1 + 9 + 8 + 9 + 9,)


def test_an_array_of_messages_needs_an_index() -> None:
    with pytest.raises(ContractError, match=r"name one, as points\[0\]"):
        decoder("trajectory_msgs/msg/JointTrajectory", select=["points.positions"])
    with pytest.raises(ContractError, match="an array of trajectory_msgs/JointTrajectoryPoint"):
        decoder("trajectory_msgs/msg/JointTrajectory", select=["points"])


def test_what_is_not_finite_is_refused_passed_or_replaced() -> None:
    message = Imu(angular_velocity=Vector3(x=0.0, y=float("nan"), z=1.0))
    options = {"select": ["orientation.w", "angular_velocity"]}
    with pytest.raises(InputError, match=r"key.select\[1\]: angular_velocity.y is nan; allow_nan"):
        decoder("sensor_msgs/msg/Imu", **options)(message)
    passed = decoder("sensor_msgs/msg/Imu", allow_nan=True, **options)(message)
    assert np.isnan(passed[2])
    filled = decoder("sensor_msgs/msg/Imu", fill=-1.0, **options)(message)
    assert filled.tolist() == [1.0, 0.0, -1.0, 1.0]
    scan = decoder("sensor_msgs/msg/LaserScan", fill=30.0)
    assert scan(LaserScan(ranges=[float("inf"), 1.0])).tolist() == [30.0, 1.0]


def test_an_imu_without_an_orientation_is_refused_and_not_read_as_one() -> None:
    message = Imu(angular_velocity=Vector3(x=0.5))
    message.orientation_covariance[0] = -1.0
    told = "key.select: the IMU gives no orientation, as its covariance says: select the others"
    for options in ({}, {"select": ["angular_velocity.x", "orientation.w"]}):
        decode = decoder("sensor_msgs/msg/Imu", **options)
        for _ in range(2):
            with pytest.raises(InputError, match=told):
                decode(message)
        assert decode(Imu()).size, "it begins to give one"
    assert decoder("sensor_msgs/msg/Imu", select=["angular_velocity"])(message)[0] == 0.5
    assert decoder("sensor_msgs/msg/Imu", allow_nan=True)(message).shape == (10,)


def test_an_empty_scan_is_an_empty_vector() -> None:
    result = decoder("sensor_msgs/msg/LaserScan")(LaserScan())
    assert result.shape == (0,) and result.dtype == np.float32


def test_units_scale_and_offset_are_those_of_the_model() -> None:
    decode = decoder(
        "nav_msgs/msg/Odometry",
        select=["twist.twist.angular", "pose.pose.position.x"],
        unit={"twist.twist.angular": "deg", "pose.pose.position.x": "mm"},
        scale={"pose.pose.position.x": 2.0},
        offset={"pose.pose.position.x": 1.0},
        dtype="float64",
    )
    np.testing.assert_allclose(decode(odometry()), [*np.rad2deg([7.0, 8.0, 9.0]), 2001.0])
    ranges = decoder("sensor_msgs/msg/LaserScan", unit="mm")(LaserScan(ranges=[1.0, 2.0]))
    assert ranges.tolist() == [1000.0, 2000.0]


def test_joints_are_converted_by_name_positions_with_the_offset_efforts_not_at_all() -> None:
    decode = decoder(
        "sensor_msgs/msg/JointState",
        joints=["b", "a"],
        fields=["position", "velocity", "effort"],
        unit={"a": "deg"},
        scale={"b": -2.0},
        offset={"b": 1.0},
        dtype="float64",
    )
    message = JointState(
        name=["a", "b"], position=[np.pi, 1.0], velocity=[np.pi, 1.0], effort=[5.0, 6.0]
    )
    np.testing.assert_allclose(decode(message), [-1.0, 180.0, -2.0, 180.0, 6.0, 5.0])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"scale": {"c": 1.0}}, "key.scale.c: 'c' is not named here"),
        ({"scale": 0}, "key.scale: must not be 0"),
        ({"unit": "degrees"}, "key.unit: unknown value 'degrees'; did you mean 'deg'"),
        ({"unit": "grad"}, "key.unit: unknown value 'grad'; there are cm, deg, m, mm, rad"),
        ({"offset": {"a": "x"}}, "key.offset.a: expected a number"),
    ],
)
def test_a_wrong_conversion_is_named(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ContractError) as caught:
        decoder("sensor_msgs/msg/JointState", joints=["a", "b"], **options)
    assert told in str(caught.value)
