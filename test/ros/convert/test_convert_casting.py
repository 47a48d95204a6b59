"""Numbers that the model's dtype cannot hold are refused; pixels end where the dtype ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from converting import decoder
from geometry_msgs.msg import Vector3
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import (
    Byte,
    ByteMultiArray,
    Float64,
    Float64MultiArray,
    Int32,
    Int64,
    UInt64,
    UInt64MultiArray,
)

from inferential_ros.convert import InputError

IMAGE = "sensor_msgs/msg/Image"


def decoded(message: Any, **options: Any) -> np.ndarray:
    package = type(message).__module__.partition(".")[0]
    return decoder(f"{package}/msg/{type(message).__name__}", **options)(message)


@pytest.mark.parametrize(
    ("message", "dtype", "told"),
    [
        (Int32(data=300), "uint8", "300 does not fit the dtype uint8"),
        (Float64(data=-3.5), "uint8", "-4.0 does not fit the dtype uint8"),
        (UInt64(data=2**63 + 1), "int64", "9223372036854775809 does not fit the dtype int64"),
        (UInt64MultiArray(data=[2**63 + 1]), "int64", "9223372036854775809 does not fit"),
        (Float64MultiArray(data=[300.7]), "uint8", "301.0 does not fit the dtype uint8"),
        (Float64MultiArray(data=[float("nan")]), "int32", "nan does not fit the dtype int32"),
        (Float64MultiArray(data=[float("nan")]), "bool", "nan does not fit the dtype bool"),
    ],
)
def test_a_number_that_a_whole_dtype_cannot_hold_is_refused(
    message: Any, dtype: str, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        decoded(message, dtype=dtype)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize(
    ("message", "options", "told"),
    [
        (Float64(data=1e39), {}, "a value is not finite in the model's units"),
        (Float64(data=1e5), {"dtype": "float16"}, "a value is not finite in the model's units"),
        (Float64MultiArray(data=[1e39]), {}, "a value is not finite as float32"),
        (JointState(name=["a"], position=[1e39]), {"joints": ["a"]}, "position of 'a' is inf"),
    ],
)
def test_a_number_beyond_a_float_is_refused(
    message: Any, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        decoded(message, **options)


def test_whole_numbers_are_rounded_and_large_ones_keep_their_last_digit() -> None:
    assert decoded(Float64(data=28.999999), dtype="int32").tolist() == [29]
    assert decoded(Int64(data=2**53 + 1)).tolist() == [2**53 + 1]


def test_octets_are_numbers() -> None:
    assert decoded(Byte(data=b"\x07")).tolist() == [7]
    many = ByteMultiArray(data=[b"\x01", b"\xff"])
    assert decoded(many).tolist() == decoded(many, select=["data"]).tolist() == [1, 255]
    assert decoded(many, select=["data[1]"]).tolist() == [255]


def test_octets_of_a_recording_are_the_same_numbers() -> None:
    bags = pytest.importorskip("bags", reason="rosbags (PyPI) is not installed")
    for sent in (Byte(data=b"\xfe"), ByteMultiArray(data=[b"\x01", b"\xff"])):
        name = f"std_msgs/msg/{type(sent).__name__}"
        recorded = bags.JAZZY.deserialize_cdr(serialize_message(sent), name)
        for options in ({}, {"select": ["data"]}):
            decode = decoder(name, **options)
            assert decode(recorded).tolist() == decode(sent).tolist()


def test_what_replaces_nan_is_in_the_units_of_the_message_for_every_type() -> None:
    nan = float("nan")
    options = {"fill": 0.0, "unit": "deg", "offset": 1.0}
    assert decoded(Vector3(x=nan), select=["x"], **options).tolist() == [1.0]
    assert decoded(Float64MultiArray(data=[nan]), **options).tolist() == [1.0]
    joints = JointState(name=["a"], position=[nan])
    assert decoded(joints, joints=["a"], **options).tolist() == [1.0]


def image(encoding: str, values: np.ndarray) -> Image:
    height, width = values.shape[:2]
    step = values.nbytes // height
    return Image(height=height, width=width, encoding=encoding, step=step, data=values.tobytes())


def test_pixels_are_scaled_before_they_are_cast() -> None:
    deep = image("mono16", np.array([[0, 1000, 40000, 65535]], "u2"))
    assert decoded(deep, dtype="uint8", scale=1 / 256).tolist() == [[0, 4, 156, 255]]
    colour = image("rgb8", np.array([[[200, 100, 3]]], "u1"))
    assert decoded(colour, dtype="uint8", scale=1.5).tolist() == [[[255, 150, 4]]]


def test_pixels_beyond_a_dtype_are_its_ends_and_no_depth_is_zero() -> None:
    deep = image("mono16", np.array([[3, 1000]], "u2"))
    assert decoded(deep, dtype="uint8").tolist() == [[3, 255]]
    metres = image("32FC1", np.array([[1.5, np.nan, np.inf, 70.0]], "f4"))
    assert decoded(metres, dtype="uint16", scale=1000.0).tolist() == [[1500, 0, 65535, 65535]]
    most = 2**31 - 1
    assert decoded(metres, dtype="int32", scale=1e9).tolist() == [[1500000000, 0, most, most]]
