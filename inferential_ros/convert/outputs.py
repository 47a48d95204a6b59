"""Values of one control tick -> joint commands that ros2_control's controllers take."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from inferential_ros.convert.registry import Encode, OutputContext, output_converter
from inferential_ros.options.errors import ContractError
from inferential_ros.options.types import message_class
from inferential_ros.options.yaml_values import Section, names, text

TRAJECTORY_FIELDS = {"position": "positions", "velocity": "velocities", "effort": "effort"}
JOINT_KINDS = ("position", "velocity", "effort")


def stamp_header(message: Any, time: Any) -> None:
    """For types whose receiver drops what is old."""
    message.header.stamp = time


@output_converter("std_msgs/msg/Float64MultiArray", "std_msgs/msg/Float32MultiArray")
def multi_array(section: Section, context: OutputContext) -> Encode:
    """As forward_command_controller takes it: the values in the order of `select`."""
    code, dtype = ("f", "f4") if "Float32" in context.message.__name__ else ("d", "f8")
    layout = context.message().layout  # an empty one, which all messages share

    def encode(values: np.ndarray) -> Any:
        data = array(code, np.asarray(values, dtype=dtype).tobytes())
        return context.message(layout=layout, data=data)

    return encode


@output_converter("trajectory_msgs/msg/JointTrajectory", kinds=JOINT_KINDS, kind="position")
def joint_trajectory(section: Section, context: OutputContext) -> Encode:
    """One point, one control period ahead, so that nothing beyond the tick is promised.

    The stamp stays zero, which joint_trajectory_controller reads as "from now": a stamp would
    make it refuse points whenever its clock is ahead of ours.
    """
    point_class = message_class("trajectory_msgs/msg/JointTrajectoryPoint", section.at("type"))
    duration_class = message_class("builtin_interfaces/msg/Duration", section.at("type"))
    joints = output_joints(section, context)
    field = TRAJECTORY_FIELDS[context.kind]
    period_ns = round(context.control_period_s * 1e9)
    ahead = duration_class(sec=period_ns // 10**9, nanosec=period_ns % 10**9)

    def encode(values: np.ndarray) -> Any:
        point = point_class(time_from_start=ahead)
        setattr(point, field, doubles(values))
        return context.message(joint_names=list(joints), points=[point])

    return encode


@output_converter(
    "sensor_msgs/msg/JointState", kinds=JOINT_KINDS, kind="position", stamp=stamp_header
)
def joint_state(section: Section, context: OutputContext) -> Encode:
    """The field that the kind names, by joint name; the others stay empty."""
    joints = output_joints(section, context)
    frame_id = section.get("frame_id", text, "")
    field = context.kind

    def encode(values: np.ndarray) -> Any:
        message = context.message(name=list(joints))
        message.header.frame_id = frame_id
        setattr(message, field, doubles(values))
        return message

    return encode


def output_joints(section: Section, context: OutputContext) -> tuple[str, ...]:
    """`joints`, one for each action; the names of the actions where they are not given."""
    joints = section.get("joints", names, context.names)
    if len(joints) != len(context.names):
        raise ContractError(
            section.at("joints"), f"{len(joints)} joints for {len(context.names)} actions"
        )
    return joints


def doubles(values: np.ndarray) -> array[float]:
    """What rosidl takes without looking at every element."""
    return array("d", np.asarray(values, dtype=np.float64).tobytes())
