"""Values -> goals of ROS actions: of trajectory controllers, grippers, any other by its fields.

A goal is sent when its values change by more than a threshold, or, for a trajectory, when there is
a new plan: the whole of it is one goal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from inferential_ros.convert.output_fields import by_fields
from inferential_ros.convert.outputs import (
    TRAJECTORY_FIELDS,
    doubles,
    output_joints,
)
from inferential_ros.convert.registry import (
    ANY_ACTION,
    ON_CHANGE,
    ON_PLAN,
    Encode,
    OutputContext,
    output_converter,
)
from inferential_ros.options.errors import ContractError
from inferential_ros.options.types import message_class
from inferential_ros.options.yaml_values import Section, non_negative

POSITIONS = ("position",)


@output_converter(
    "control_msgs/action/GripperCommand", kind="position", kinds=POSITIONS, sent=ON_CHANGE
)
def gripper_command(section: Section, context: OutputContext) -> Encode:
    """The gap, and `max_effort`: the largest force on the way there, 0 for the gripper's own."""
    _one_action(section, context)
    max_effort = section.get("max_effort", non_negative, 0.0)

    def encode(values: np.ndarray) -> Any:
        goal = context.message()
        goal.command.position, goal.command.max_effort = float(values[0]), max_effort
        return goal

    return encode


@output_converter(
    "control_msgs/action/ParallelGripperCommand",
    kind="position",
    kinds=POSITIONS,
    sent=ON_CHANGE,
)
def parallel_gripper_command(section: Section, context: OutputContext) -> Encode:
    """The positions of the gripper's `joints`; `max_velocity` and `max_effort` where given."""
    joints = output_joints(section, context)
    most = {
        field: section.get(key, non_negative, None)
        for field, key in (("velocity", "max_velocity"), ("effort", "max_effort"))
    }

    def encode(values: np.ndarray) -> Any:
        goal = context.message()
        goal.command.name, goal.command.position = list(joints), doubles(values)
        for field, value in most.items():
            if value is not None:
                setattr(goal.command, field, doubles(np.full(len(joints), value)))
        return goal

    return encode


@output_converter(
    "control_msgs/action/FollowJointTrajectory", kind="position", kinds=POSITIONS, sent=ON_PLAN
)
def follow_joint_trajectory(section: Section, context: OutputContext) -> Encode:
    """A point for each step of a plan that is still to come, by joint name."""
    point_class = message_class("trajectory_msgs/msg/JointTrajectoryPoint", section.at("type"))
    duration_class = message_class("builtin_interfaces/msg/Duration", section.at("type"))
    return TrajectoryGoal(
        context.message,
        point_class,
        duration_class,
        output_joints(section, context),
        TRAJECTORY_FIELDS[context.kind],
        context.control_period_s,
    )


@output_converter(ANY_ACTION, sent=ON_CHANGE)
def any_action(section: Section, context: OutputContext) -> Encode:
    """An action without a converter: the contract says which field of the goal each value is."""
    return by_fields(section, context, ())


class TrajectoryGoal:
    """One goal from the rows of a plan."""

    def __init__(
        self,
        goal: type[Any],
        point: type[Any],
        duration: type[Any],
        joints: tuple[str, ...],
        field: str,
        control_period_s: float,
    ) -> None:
        self._goal = goal
        self._point = point
        self._duration = duration
        self._joints = joints
        self._field = field
        self._period_s = control_period_s

    def __call__(self, values: np.ndarray) -> Any:
        """A goal of one point, one control period ahead."""
        return self.plan(values[None], [self._period_s])

    def plan(self, rows: np.ndarray, times_s: Sequence[float]) -> Any:
        """A goal of rows (N, n), each to be reached so long after the goal was accepted.

        The stamp stays zero, which the controller reads as "from now", as for a topic.
        """
        goal = self._goal()
        goal.trajectory.joint_names = list(self._joints)
        goal.trajectory.points = [
            self._make_point(row, round(time_s * 1e9)) for row, time_s in zip(rows, times_s)
        ]
        return goal

    def _make_point(self, row: np.ndarray, time_ns: int) -> Any:
        ahead = self._duration(sec=time_ns // 10**9, nanosec=time_ns % 10**9)
        point = self._point(time_from_start=ahead)
        setattr(point, self._field, doubles(row))
        return point


def _one_action(section: Section, context: OutputContext) -> None:
    if len(context.names) != 1:
        raise ContractError(
            section.at("select"), f"a gripper has one position, not {len(context.names)} actions"
        )
