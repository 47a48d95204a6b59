"""/tf as a source: poses composed along the tree, against numbers worked out by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("geometry_msgs.msg", reason="ROS 2 messages are not installed here")

from geometry_msgs.msg import Transform, TransformStamped, Vector3

from inferential_ros.bridge.transforms import NoTransform, TransformBuffer

S = 10**9
HALF = math.sqrt(0.5)
ABOUT_Z = (0.0, 0.0, HALF, HALF)  # a quarter turn: x becomes y
ABOUT_X = (HALF, 0.0, 0.0, HALF)  # y becomes z


def message(*items: tuple[str, str, Any, Any, float]) -> Any:
    """(parent, child, position, rotation, stamp in s) of each transform."""
    transforms = []
    for parent, child, position, rotation, stamp_s in items:
        item = TransformStamped(child_frame_id=child)
        item.header.frame_id = parent
        item.header.stamp.sec, item.header.stamp.nanosec = divmod(round(stamp_s * S), S)
        item.transform = Transform(translation=Vector3(**dict(zip("xyz", map(float, position)))))
        for name, value in zip("xyzw", rotation):
            setattr(item.transform.rotation, name, float(value))
        transforms.append(item)
    return SimpleNamespace(transforms=transforms)


IDENTITY = (0, 0, 0, 1)


def arm() -> TransformBuffer:
    """base -> shoulder (static) -> elbow -> tool0; and a camera on the base."""
    buffer = TransformBuffer()
    buffer.add(message(("base", "shoulder", (0, 0, 1), ABOUT_Z, 0.0)), static=True)
    buffer.add(message(("base", "camera", (1, 0, 0), ABOUT_X, 0.0)), static=True)
    buffer.add(message(("shoulder", "elbow", (2, 0, 0), ABOUT_X, 10.0)), static=False)
    buffer.add(message(("elbow", "tool0", (0, 3, 0), IDENTITY, 10.0)), static=False)
    return buffer


def test_poses_are_composed_along_the_tree() -> None:
    # In the shoulder the elbow is at x = 2 and its y axis points up, so the tool, 3 along that y,
    # is at (2, 0, 3). The shoulder is 1 above the base, and its x is the base's y: (0, 2, 4).
    pose = arm().pose("tool0", "base", 10 * S, 1.0)
    np.testing.assert_allclose(pose.position, [0, 2, 4], atol=1e-12)
    # Both quarter turns after each other turn by a third about (1, 1, 1).
    np.testing.assert_allclose(pose.rotation, [0.5, 0.5, 0.5, 0.5], atol=1e-12)


def test_the_way_may_lead_up_and_down_again() -> None:
    # The camera is at (1, 0, 0) and looks along a y that is the base's z: of the tool it sees
    # (0 - 1, 4, -2).
    pose = arm().pose("tool0", "camera", 10 * S, 1.0)
    np.testing.assert_allclose(pose.position, [-1, 4, -2], atol=1e-12)
    back = arm().pose("camera", "tool0", 10 * S, 1.0)
    np.testing.assert_allclose(back.then(pose).position, [0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(abs(back.then(pose).rotation[3]), 1.0, atol=1e-12)
    same = arm().pose("elbow", "elbow", 10 * S, 1.0)
    assert same.position.tolist() == [0, 0, 0] and same.rotation.tolist() == [0, 0, 0, 1]


def test_between_two_transforms_is_interpolated_and_beyond_them_the_newest_holds() -> None:
    buffer = TransformBuffer()
    buffer.add(message(("a", "b", (0, 0, 0), IDENTITY, 1.0)), static=False)
    buffer.add(message(("a", "b", (4, 0, 0), ABOUT_Z, 2.0)), static=False)
    quarter = buffer.pose("b", "a", round(1.25 * S), 1.0)
    np.testing.assert_allclose(quarter.position, [1, 0, 0])
    eighth = math.radians(90 / 4) / 2
    np.testing.assert_allclose(quarter.rotation, [0, 0, math.sin(eighth), math.cos(eighth)])
    assert buffer.pose("b", "a", 3 * S, 1.0).position.tolist() == [4, 0, 0]
    with pytest.raises(NoTransform, match="'b' is 1.500 s from the observation"):
        buffer.pose("b", "a", round(3.5 * S), 1.0)
    assert buffer.pose("b", "a", 9 * S, None).position.tolist() == [4, 0, 0]


def test_transforms_that_come_out_of_order_stand_in_the_order_of_their_stamps() -> None:
    buffer = TransformBuffer()
    for stamp_s, x in ((1.0, 0), (3.0, 2), (2.0, 10)):
        buffer.add(message(("a", "b", (x, 0, 0), IDENTITY, stamp_s)), static=False)
    assert buffer.pose("b", "a", round(1.5 * S), 1.0).position[0] == 5.0
    assert buffer.pose("b", "a", round(2.5 * S), 1.0).position[0] == 6.0


def test_why_there_is_no_pose_is_told() -> None:
    buffer = arm()
    buffer.add(message(("map", "cart", (0, 0, 0), IDENTITY, 10.0)), static=False)
    with pytest.raises(NoTransform, match="names the frame 'tool'; did you mean 'tool0'"):
        buffer.pose("tool", "base", 10 * S, 1.0)
    with pytest.raises(NoTransform, match="'tool0' and 'cart' are in two trees"):
        buffer.pose("tool0", "cart", 10 * S, 1.0)


def test_numbers_that_are_no_pose_and_circles_do_no_harm() -> None:
    buffer = arm()
    nan = float("nan")
    bad = [
        ("elbow", "tool0", (nan, 0, 0), IDENTITY, 10.1),
        ("elbow", "tool0", (0, 0, 0), (0, 0, 0, 0), 10.1),
        ("tool0", "tool0", (0, 0, 0), IDENTITY, 10.1),
    ]
    told, _ = buffer.add(message(*bad), static=False)
    assert not told and buffer.pose("tool0", "elbow", 10 * S, 1.0).position[1] == 3.0
    buffer.add(message(("tool0", "elbow", (0, 0, 0), IDENTITY, 10.2)), static=False)
    with pytest.raises(NoTransform):
        buffer.pose("tool0", "base", 10 * S, 1.0)


def test_only_frames_on_the_way_move_the_pose() -> None:
    buffer = arm()
    assert buffer.moves("tool0", "base", {"elbow"}) and buffer.moves("base", "tool0", {"tool0"})
    assert not buffer.moves("tool0", "base", {"camera"})


def test_a_clock_that_went_back_begins_anew_and_static_frames_stay() -> None:
    buffer = arm()
    buffer.forget()
    assert buffer.pose("camera", "base", 0, 1.0).position[0] == 1.0
    with pytest.raises(NoTransform):
        buffer.pose("tool0", "base", 0, 1.0)
    old = arm()
    old.add(message(("elbow", "tool0", (0, 5, 0), IDENTITY, 10.0 + 100.0)), static=False)
    old.add(message(("elbow", "tool0", (0, 7, 0), IDENTITY, 1.0)), static=False)
    assert old.pose("tool0", "elbow", S, 1.0).position[1] == 7.0
