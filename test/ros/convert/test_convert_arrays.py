"""Multi-arrays in the shape of their layout, and point clouds whatever their layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from converting import decoder
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import (
    Float32MultiArray,
    Float64MultiArray,
    Int16MultiArray,
    MultiArrayDimension,
    MultiArrayLayout,
    UInt8MultiArray,
)

from inferential_ros.convert import InputError
from inferential_ros.convert.registry import form_of
from inferential_ros.options.errors import ContractError


def layout(*dims: tuple[int, int], offset: int = 0) -> MultiArrayLayout:
    """(size, stride) of each dimension."""
    listed = [MultiArrayDimension(label=str(i), size=n, stride=s) for i, (n, s) in enumerate(dims)]
    return MultiArrayLayout(dim=listed, data_offset=offset)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (MultiArrayLayout(), list(range(8))),
        (MultiArrayLayout(data_offset=2), list(range(2, 8))),
        (layout((2, 8), (4, 4)), [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (layout((2, 0), (4, 0)), [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (layout((2, 8), (3, 4)), [[0, 1, 2], [4, 5, 6]]),  # rows of four, three of them used
        (layout((2, 6), (3, 3), offset=2), [[2, 3, 4], [5, 6, 7]]),
    ],
    ids=["none", "offset", "dense", "no strides", "padded rows", "offset and rows"],
)
@pytest.mark.parametrize("kind", [Float64MultiArray, Float32MultiArray])
def test_the_layout_is_followed(kind: Any, given: MultiArrayLayout, expected: Any) -> None:
    decode = decoder(f"std_msgs/msg/{kind.__name__}")
    result = decode(kind(layout=given, data=[float(i) for i in range(8)]))
    assert result.tolist() == expected and result.dtype == np.float32
    assert result.flags.c_contiguous


def test_a_layout_beyond_the_data_is_refused() -> None:
    decode = decoder("std_msgs/msg/Float64MultiArray")
    with pytest.raises(InputError, match=r"the layout \[3, 4\] reaches to 12 of 8 values"):
        decode(Float64MultiArray(layout=layout((3, 12), (4, 4)), data=[0.0] * 8))


def test_whole_numbers_keep_a_type_that_the_wire_carries() -> None:
    result = decoder("std_msgs/msg/UInt8MultiArray")(UInt8MultiArray(data=[1, 255]))
    assert (result.dtype, result.tolist()) == (np.uint8, [1, 255])
    result = decoder("std_msgs/msg/Int16MultiArray")(Int16MultiArray(data=[-5]))
    assert (result.dtype, result.tolist()) == (np.int32, [-5])
    assert decoder("std_msgs/msg/Float64MultiArray")(Float64MultiArray()).shape == (0,)


def test_a_shape_is_demanded_or_given_to_flat_data() -> None:
    decode = decoder("std_msgs/msg/Float64MultiArray", shape=[None, 2])
    assert decode(Float64MultiArray(data=[1.0, 2.0, 3.0, 4.0])).tolist() == [[1, 2], [3, 4]]
    assert form_of(decode).shape == (None, 2)
    with pytest.raises(InputError, match=r"key.shape: \[3\] in the message, not \[None, 2\]"):
        decode(Float64MultiArray(data=[1.0, 2.0, 3.0]))
    with pytest.raises(ContractError, match="one size at most may be open"):
        decoder("std_msgs/msg/Float64MultiArray", shape=[None, None])


def test_a_multi_array_with_nan_is_refused_unless_allowed() -> None:
    message = Float64MultiArray(data=[float("nan")])
    with pytest.raises(InputError, match="not finite"):
        decoder("std_msgs/msg/Float64MultiArray")(message)
    assert np.isnan(decoder("std_msgs/msg/Float64MultiArray", allow_nan=True)(message)[0])


POINTS = np.array(
    [[1.0, 2.0, 3.0], [np.nan, 5.0, 6.0], [7.0, 8.0, 9.0], [10.0, 11.0, 12.0]], dtype=np.float32
)
GOOD = POINTS[[0, 2, 3]]


def cloud(
    height: int = 1, big: bool = False, pad: int = 0, row_pad: int = 0, count: int = 4
) -> PointCloud2:
    """POINTS as z, intensity, x, y: another order, other types and padding in between."""
    order = ">" if big else "<"
    record = np.dtype(
        {
            "names": ["z", "intensity", "x", "y"],
            "formats": [f"{order}f4", "u1", f"{order}f8", f"{order}f4"],
            "offsets": [0, 4, 5, 13],
            "itemsize": 17 + pad,
        }
    )
    records = np.zeros(count, record)
    for index, name in enumerate("xyz"):
        records[name] = POINTS[:count, index]
    records["intensity"] = np.arange(count)
    width = count // height
    rows = np.frombuffer(records.tobytes(), np.uint8).reshape(height, width * record.itemsize)
    data = np.pad(rows, ((0, 0), (0, row_pad))) if count else rows
    fields = [
        PointField(name="z", offset=0, datatype=PointField.FLOAT32, count=1),
        PointField(name="intensity", offset=4, datatype=PointField.UINT8, count=1),
        PointField(name="x", offset=5, datatype=PointField.FLOAT64, count=1),
        PointField(name="y", offset=13, datatype=PointField.FLOAT32, count=1),
    ]
    return PointCloud2(
        height=height,
        width=width,
        fields=fields,
        is_bigendian=big,
        point_step=record.itemsize,
        row_step=width * record.itemsize + row_pad,
        data=data.tobytes(),
    )


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("pad", [0, 3])
@pytest.mark.parametrize(("height", "row_pad"), [(1, 0), (2, 0), (2, 5)])
def test_points_are_read_by_field_name_from_any_layout(
    big: bool, pad: int, height: int, row_pad: int
) -> None:
    decode = decoder("sensor_msgs/msg/PointCloud2")
    result = decode(cloud(height, big, pad, row_pad))
    np.testing.assert_array_equal(result, GOOD)
    assert result.dtype == np.float32 and result.flags.c_contiguous
    assert form_of(decode).shape == (None, 3)


def test_nan_points_are_dropped_kept_or_zeroed() -> None:
    keep = decoder("sensor_msgs/msg/PointCloud2", nan="keep")(cloud())
    np.testing.assert_array_equal(keep, POINTS)
    zero = decoder("sensor_msgs/msg/PointCloud2", nan="zero")(cloud())
    assert zero[1].tolist() == [0.0, 5.0, 6.0]


def test_other_fields_and_a_fixed_number_of_points() -> None:
    decode = decoder("sensor_msgs/msg/PointCloud2", select=["intensity", "z"], points=2)
    assert decode(cloud()).tolist() == [[0.0, 3.0], [2.0, 9.0]]
    more = decoder("sensor_msgs/msg/PointCloud2", points=5)
    np.testing.assert_array_equal(more(cloud()), np.vstack([GOOD, np.zeros((2, 3))]))
    assert form_of(more).shape == (5, 3)


def test_an_empty_cloud_is_an_array_of_no_points() -> None:
    assert decoder("sensor_msgs/msg/PointCloud2")(cloud(count=0)).shape == (0, 3)
    assert (
        decoder("sensor_msgs/msg/PointCloud2", points=2)(cloud(count=0)).tolist() == [[0] * 3] * 2
    )


def test_the_layout_may_change_from_one_message_to_the_next() -> None:
    decode = decoder("sensor_msgs/msg/PointCloud2")
    for big, pad in ((False, 0), (True, 3), (False, 0)):
        np.testing.assert_array_equal(decode(cloud(1, big, pad)), GOOD)


def test_a_cloud_that_lacks_a_field_or_bytes_is_refused() -> None:
    with pytest.raises(InputError, match=r"key.select\[1\]: no field 'intensty'.*'intensity'"):
        decoder("sensor_msgs/msg/PointCloud2", select=["x", "intensty"])(cloud())
    short = cloud()
    short.width = 40
    short.row_step = 40 * short.point_step
    with pytest.raises(InputError, match="do not fit 68 bytes"):
        decoder("sensor_msgs/msg/PointCloud2")(short)
    outside = cloud()
    outside.fields[0].offset = 15
    with pytest.raises(InputError, match="lies outside of the point"):
        decoder("sensor_msgs/msg/PointCloud2")(outside)


@pytest.mark.parametrize(
    "dims",
    [[(2, 6), (3, 3)], [(2, 3), (3, 1)], [(2, 12), (3, 4)], [(2, 0), (3, 3)]],
    ids=["as the comment has them", "as numpy has them", "in bytes", "the first left out"],
)
def test_sizes_that_fill_the_data_exactly_are_dense_whatever_the_strides(dims: Any) -> None:
    decode = decoder("std_msgs/msg/Float32MultiArray")
    message = Float32MultiArray(layout=layout(*dims), data=[float(i) for i in range(6)])
    assert decode(message).tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("dims", "told"),
    [
        ([(2, 2), (2, 1)], r"layout \[2, 2\] with strides \[2, 1\] does not account for"),
        ([(3, 0)], r"layout \[3\] with strides \[0\] does not account for all of the 8 values"),
        ([(4, 1), (2, 4)], r"strides \[1, 4\] of the layout \[4, 2\] grow"),
        ([(2, 4), (0, 0)], "does not account for"),
    ],
    ids=["too few", "flat and too few", "column by column", "one size of 0"],
)
def test_a_layout_that_would_lose_or_mix_up_numbers_is_refused(dims: Any, told: str) -> None:
    decode = decoder("std_msgs/msg/Float32MultiArray")
    with pytest.raises(InputError, match=told):
        decode(Float32MultiArray(layout=layout(*dims), data=[float(i) for i in range(8)]))


def test_a_single_dimension_of_size_0_says_nothing_and_the_data_are_flat() -> None:
    message = Float32MultiArray(layout=layout((0, 0)), data=[4.0, 5.0, 6.0])
    assert decoder("std_msgs/msg/Float32MultiArray")(message).tolist() == [4, 5, 6]


def test_multi_arrays_take_what_vectors_take() -> None:
    message = Float32MultiArray(data=[np.pi, float("nan"), 1.0])
    decode = decoder("std_msgs/msg/Float32MultiArray", fill=0.0, unit="deg", offset=1.0)
    np.testing.assert_allclose(decode(message), [181.0, 1.0, 58.29578], rtol=1e-6)
    selected = decoder("std_msgs/msg/Float32MultiArray", select=["data[2]", "data[0:1]"])
    np.testing.assert_allclose(selected(message), [1.0, np.pi], rtol=1e-6)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("datatype", [PointField.FLOAT32, PointField.UINT32])
@pytest.mark.parametrize("name", ["rgb", "rgba"])
def test_packed_colour_becomes_red_green_and_blue(big: bool, datatype: int, name: str) -> None:
    order = ">" if big else "<"
    records = np.zeros(2, np.dtype([("x", f"{order}f4"), ("colour", f"{order}u4")]))
    records["x"] = 1.0, 2.0
    records["colour"] = 0xFFC80102, 0x00FF9000  # red 200 is NaN as a float
    message = PointCloud2(
        height=1,
        width=2,
        fields=[
            PointField(name="x", offset=0, datatype=PointField.FLOAT32, count=1),
            PointField(name=name, offset=4, datatype=datatype, count=1),
        ],
        is_bigendian=big,
        point_step=8,
        row_step=16,
        data=records.tobytes(),
    )
    decode = decoder("sensor_msgs/msg/PointCloud2", select=["x", name])
    assert decode(message).tolist() == [[1, 200, 1, 2], [2, 255, 144, 0]]
    assert form_of(decode).shape == (None, 4)
    single = decoder("sensor_msgs/msg/PointCloud2", select=["b", "a"])
    assert single(message).tolist() == [[2, 255], [0, 0]]


def test_points_that_a_dtype_cannot_hold_are_refused_and_not_dropped() -> None:
    fields = [PointField(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate("xyz")]
    points = np.array([[70000.0, 1.0, 2.0], [np.nan, 1.0, 2.0]], "f4")
    cloud = PointCloud2(
        height=1, width=2, fields=fields, point_step=12, row_step=24, data=points.tobytes()
    )
    assert decoder("sensor_msgs/msg/PointCloud2")(cloud).tolist() == [[70000.0, 1.0, 2.0]]
    with pytest.raises(InputError, match="key.dtype: values beyond 65504 do not fit float16"):
        decoder("sensor_msgs/msg/PointCloud2", dtype="float16")(cloud)
    cloud.fields = [*fields, PointField(name="x", offset=0, datatype=7, count=1)]
    with pytest.raises(InputError, match="the points have 'x' twice"):
        decoder("sensor_msgs/msg/PointCloud2")(cloud)
