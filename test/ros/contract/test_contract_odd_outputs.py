"""Whatever stands in the `action` section, it loads or is named: no traceback reaches a user."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")
pytest.importorskip("hypothesis", reason="hypothesis is not installed")

from hypothesis import given, settings
from hypothesis import strategies as st

from inferential_ros.bridge.options import make_executor, make_jump_watch
from inferential_ros.contract.describe import describe
from inferential_ros.contract.loading import parse_contract
from inferential_ros.execution.executor import PlanRefused
from inferential_ros.execution.plan import Plan
from inferential_ros.options.errors import ContractError

NAMES = ["a", "b", "1", "qw"]
URDF = '<robot><joint name="a" type="continuous"><limit velocity="1"/></joint></robot>'
TYPES = [
    "std_msgs/msg/Float64MultiArray",
    "std_msgs/msg/Int32MultiArray",
    "sensor_msgs/msg/Joy",
    "sensor_msgs/msg/JointState",
    "trajectory_msgs/msg/JointTrajectory",
    "geometry_msgs/msg/PoseStamped",
    "geometry_msgs/msg/Twist",
    "nav_msgs/msg/Path",
    "control_msgs/action/GripperCommand",
    "control_msgs/action/FollowJointTrajectory",
    "control_msgs/action/Nothing",
    "no/action",
]
PATHS = [
    *(f"pose.orientation.{part}" for part in "xyzw"),
    *("pose.orientation", "pose.position", "pose.position.x", "data[0:2]", "data[3]", "axes[0]"),
    *("linear.x", "poses[1].pose.orientation.w", "data[5:2]", "data[0:99999]", "a[", "", "layout"),
    *("command.position", "header.stamp.sec", "header.frame_id", "layout.dim[0].label"),
]
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 300)
    | st.floats(allow_nan=True)
    | st.sampled_from([*NAMES, *PATHS, "urdf", "rpy", "s.a", "deg", "mm", "velocity", "0:2", "\0"])
)
odd = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from([*NAMES, *PATHS]), inner, max_size=4)
    ),
    max_leaves=8,
)
some = st.lists(st.sampled_from(NAMES), max_size=4)
output = st.fixed_dictionaries(
    {"topic": st.just("t"), "type": st.sampled_from(TYPES)},
    optional={
        "kind": st.sampled_from(["position", "velocity", "twist"]) | odd,
        "select": some | odd,
        "fields": st.lists(st.sampled_from(PATHS), min_size=1, max_size=5) | odd,
        "set": st.dictionaries(st.sampled_from(PATHS), odd, max_size=3) | odd,
        **{
            key: odd
            for key in (
                *("limits", "max_step", "joints", "rotation", "threshold", "max_effort", "unit"),
                *("scale", "fallback", "qos"),
            )
        },
    },
)
action = st.fixed_dictionaries(
    {"outputs": st.lists(output, min_size=1, max_size=2) | odd},
    optional={
        key: some | odd
        for key in (
            *("continuous", "discrete", "quaternion", "rotation_6d", "rotation_vector", "rpy"),
            *("relative", "parts", "key"),
        )
    },
)


@settings(max_examples=150)
@given(action=action, urdf=st.sampled_from([None, URDF, "<"]), file=st.none() | odd)
def test_it_loads_or_is_named(action: Any, urdf: Any, file: Any) -> None:
    state = {"topic": "t", "type": "sensor_msgs/msg/JointState", "joints": ["a", "1"]}
    values = {
        "urdf": file,
        "model": {"id": "p"},
        "observation": {"keys": {"s": state}},
        "action": {"names": NAMES, "rate_hz": 10, **action},
    }
    try:
        made = parse_contract(values, urdf)
    except ContractError as error:
        assert error.path
        return
    describe(made)
    executor = make_executor(made)
    plan = Plan(np.full((3, 4), 0.5), 0, 10**8)
    make_jump_watch(made).found(plan)
    try:
        executor.accept(plan, 0)
    except PlanRefused:
        return
    for values, each in zip(executor.tick(0).values, made.action.outputs):
        each.encode(values)
