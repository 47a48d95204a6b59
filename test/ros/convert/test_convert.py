"""Messages to arrays and values to messages: names, pixels, steps and byte orders."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String

from inferential_core import EncodedImage
from inferential_ros.convert import InputError, OutputContext, input_type, output_type
from inferential_ros.convert.chunk import chunk_message
from inferential_ros.execution.plan import Plan
from inferential_ros.options.types import message_class
from inferential_ros.options.yaml_values import Section


def decoder(type_name: str, **options: Any):
    return input_type(type_name).make(Section(options, "key"), message_class(type_name, "type"))


def encoder(type_name: str, names=("a", "b"), kind="position", **options: Any):
    context = OutputContext(message_class(type_name, "type"), names, kind, 0.02)
    return output_type(type_name).make(Section(options, "output"), context)


def test_joints_are_taken_by_name_in_whatever_order_they_come() -> None:
    decode = decoder(
        "sensor_msgs/msg/JointState", joints=["b", "a"], fields=["position", "velocity"]
    )
    first = JointState(name=["a", "b", "c"], position=[1.0, 2.0, 3.0], velocity=[4.0, 5.0, 6.0])
    again = JointState(name=["c", "b", "a"], position=[3.0, 2.0, 1.0], velocity=[6.0, 5.0, 4.0])
    assert decode(first).tolist() == decode(again).tolist() == [2.0, 1.0, 5.0, 4.0]
    assert decode(first).dtype == np.float32


def test_a_joint_or_field_that_is_not_in_the_message_is_named() -> None:
    decode = decoder("sensor_msgs/msg/JointState", joints=["a", "elbwo"], fields=["effort"])
    with pytest.raises(InputError, match=r"key.joints\[1\]: no joint 'elbwo'.*'elbow'"):
        decode(JointState(name=["a", "elbow"], effort=[1.0, 2.0]))
    decode = decoder("sensor_msgs/msg/JointState", joints=["a"], fields=["effort"])
    with pytest.raises(InputError, match=r"key.fields\[0\]: the message has 0 values of effort"):
        decode(JointState(name=["a"], position=[1.0]))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_joint_without_a_finite_value_is_named_unless_that_is_allowed(value: float) -> None:
    options = {"joints": ["a", "b"], "fields": ["position", "velocity"]}
    message = JointState(name=["b", "a"], position=[1.0, 2.0], velocity=[value, 4.0])
    with pytest.raises(InputError, match=rf"key.joints\[1\]: the velocity of 'b' is {value}"):
        decoder("sensor_msgs/msg/JointState", **options)(message)
    decode = decoder("sensor_msgs/msg/JointState", allow_nan=True, **options)
    assert not np.isfinite(decode(message)).all()


RGB = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
ALPHA = np.full((2, 3, 1), 255, dtype=np.uint8)
DEPTH = np.array([[1, 40000, 3], [4, 5, 65535]], dtype=np.uint16)
DEEP = RGB.astype(np.uint16) * 3000 + 1
METERS = np.array([[0.5, np.nan, 3.0], [4.0, 5.0, 6.0]], dtype=np.float32)


@pytest.mark.parametrize(
    ("encoding", "stored", "expected"),
    [
        ("rgb8", RGB, RGB),
        ("bgr8", RGB[:, :, ::-1], RGB),
        ("rgba8", np.concatenate([RGB, ALPHA], axis=2), RGB),
        ("bgra8", np.concatenate([RGB[:, :, ::-1], ALPHA], axis=2), RGB),
        ("rgb16", DEEP, DEEP),
        ("bgr16", DEEP[:, :, ::-1], DEEP),
        ("rgba16", np.concatenate([DEEP, ALPHA], axis=2, dtype=np.uint16), DEEP),
        ("bgra16", np.concatenate([DEEP[:, :, ::-1], ALPHA], axis=2, dtype=np.uint16), DEEP),
        ("8UC2", RGB[:, :, :2], RGB[:, :, :2]),
        ("8UC4", np.concatenate([RGB, ALPHA], axis=2), np.concatenate([RGB, ALPHA], axis=2)),
        ("mono8", RGB[:, :, 0], RGB[:, :, 0]),
        ("mono16", DEPTH, DEPTH),
        ("16UC1", DEPTH, DEPTH),
        ("32FC1", METERS, METERS),
    ],
)
@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("big_endian", [False, True])
def test_images_of_any_step_and_byte_order_keep_their_pixels(
    encoding: str, stored: np.ndarray, expected: np.ndarray, padding: int, big_endian: bool
) -> None:
    written = stored.astype(stored.dtype.newbyteorder(">" if big_endian else "<"))
    rows = np.frombuffer(written.tobytes(), dtype=np.uint8).reshape(2, -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=9)
    image = Image(
        height=2,
        width=3,
        encoding=encoding,
        is_bigendian=int(big_endian),
        step=padded.shape[1],
        data=padded.tobytes(),
    )
    result = decoder("sensor_msgs/msg/Image")(image)
    np.testing.assert_array_equal(result, expected)
    assert result.dtype == expected.dtype and result.dtype.isnative
    assert result.flags.c_contiguous


def test_an_rgb_image_is_not_copied() -> None:
    image = Image(height=2, width=3, encoding="rgb8", step=9, data=RGB.tobytes())
    decoded = decoder("sensor_msgs/msg/Image")(image)
    assert np.shares_memory(decoded, np.frombuffer(image.data, dtype=np.uint8))


def test_an_image_that_is_shorter_than_it_says_or_of_an_unknown_encoding_is_refused() -> None:
    decode = decoder("sensor_msgs/msg/Image")
    with pytest.raises(InputError, match="step 9"):
        decode(Image(height=3, width=3, encoding="rgb8", step=9, data=RGB.tobytes()))
    with pytest.raises(InputError, match="'yuv422'"):
        decode(Image(height=2, width=3, encoding="yuv422", step=9, data=RGB.tobytes()))


def test_compressed_images_stay_compressed() -> None:
    images = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    for kind in ("jpeg", "png"):
        file = io.BytesIO()
        images.fromarray(RGB).save(file, kind)
        message = CompressedImage(format=f"bgr8; {kind} compressed", data=file.getvalue())
        encoded = decoder("sensor_msgs/msg/CompressedImage", topic="camera")(message)
        assert isinstance(encoded, EncodedImage)
        assert bytes(encoded.data) == file.getvalue() and encoded.encoding == kind


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8\xff", b"\x89PNG\r\n"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    decode = decoder("sensor_msgs/msg/CompressedImage", topic="camera")
    with pytest.raises(InputError, match="key.topic"):
        decode(CompressedImage(format="jpeg", data=data))


def test_text_is_text() -> None:
    assert decoder("std_msgs/msg/String")(String(data="pick up the cup")) == "pick up the cup"


def test_commands_carry_the_values_in_their_order() -> None:
    message = encoder("std_msgs/msg/Float64MultiArray")(np.array([0.5, -1.0]))
    assert list(message.data) == [0.5, -1.0]


@pytest.mark.parametrize(
    ("kind", "field"),
    [("position", "positions"), ("velocity", "velocities"), ("effort", "effort")],
)
def test_a_trajectory_has_one_point_one_period_ahead(kind: str, field: str) -> None:
    encode = encoder("trajectory_msgs/msg/JointTrajectory", kind=kind, joints=["left", "right"])
    message = encode(np.array([0.5, -1.0], dtype=np.float32))
    assert message.joint_names == ["left", "right"]
    (point,) = message.points
    assert list(getattr(point, field)) == [0.5, -1.0]
    assert (point.time_from_start.sec, point.time_from_start.nanosec) == (0, 20_000_000)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (0, 0)


def test_a_chunk_message_says_all_that_is_needed_to_execute_it() -> None:
    pytest.importorskip("inferential.msg", reason="the messages are not built: make build")
    plan = Plan(
        np.arange(6).reshape(3, 2), 1_700_000_000_500_000_000, 20_000_000, 60_000_000, 4, 7, "v2"
    )
    message = chunk_message(plan, ("a", "b"), "robot", "policy")
    assert (message.horizon, message.dimension, list(message.data)) == (3, 2, [0, 1, 2, 3, 4, 5])
    assert (message.epoch, message.request_id, message.model_version) == (4, 7, "v2")
    assert (message.start.sec, message.start.nanosec) == (1_700_000_000, 500_000_000)
    assert message.header.stamp == message.start
    assert (message.period.nanosec, message.lease.nanosec) == (20_000_000, 60_000_000)
