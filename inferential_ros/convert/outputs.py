"""Values of one control tick -> command messages that ros2_control's controllers take."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from inferential_ros.contract.errors import ContractError
from inferential_ros.contract.reading import Section, names
from inferential_ros.convert.registry import Encode, OutputContext, output_converter

TRAJECTORY_FIELDS = {"position": "positions", "velocity": "velocities", "effort": "effort"}


@output_converter(
    "std_msgs/msg/Float64MultiArray", kinds=("position", "velocity", "effort", "twist")
)
def float64_multi_array(section: Section, context: OutputContext) -> Encode:
    """As forward_command_controller takes it: the values in the order of `select`."""

    def encode(values: np.ndarray) -> Any:
        return context.message(data=_doubles(values))

    return encode


@output_converter(
    "trajectory_msgs/msg/JointTrajectory",
    kinds=("position", "velocity", "effort"),
    kind="position",
)
def joint_trajectory(section: Section, context: OutputContext) -> Encode:
    """One point, one control period ahead, so that nothing beyond the tick is promised.

    The stamp stays zero, which joint_trajectory_controller reads as "from now": a stamp would
    make it refuse points whenever its clock is ahead of ours.
    """
    from builtin_interfaces.msg import Duration
    from trajectory_msgs.msg import JointTrajectoryPoint

    joints = section.get("joints", names, context.names)
    if len(joints) != len(context.names):
        raise ContractError(
            section.at("joints"), f"{len(joints)} joints for {len(context.names)} actions"
        )
    field = TRAJECTORY_FIELDS[context.kind]
    period_ns = round(context.control_period_s * 1e9)
    ahead = Duration(sec=period_ns // 10**9, nanosec=period_ns % 10**9)

    def encode(values: np.ndarray) -> Any:
        point = JointTrajectoryPoint(time_from_start=ahead)
        setattr(point, field, _doubles(values))
        return context.message(joint_names=list(joints), points=[point])

    return encode


def _doubles(values: np.ndarray) -> array[float]:
    """What rosidl takes without looking at every element."""
    return array("d", np.asarray(values, dtype=np.float64).tobytes())
