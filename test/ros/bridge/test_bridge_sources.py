"""A bridge over DDS with robots whose state comes in pieces: publishers, frames, motors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")

from bridge_rig import LATCHED, OUTPUTS, Rig
from geometry_msgs.msg import PoseStamped, TransformStamped
from sensor_msgs.msg import JointState

MORE = "\naction:"


def seen(rig: Rig, name: str, expected: Any) -> None:
    """The model is given these numbers under this name."""
    rig.chunks.wait(
        lambda _: any(name in obs and np.allclose(obs[name], expected) for obs in rig.seen)
    )


def test_arm_and_gripper_on_one_topic_make_one_vector(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    rig.change(1)
    rig.change(3)
    hand = rig.graph.publisher(JointState, "/r/joint_states")
    rig.graph.repeat((rig.state, JointState(name=["arm"], position=[0.25])))
    rig.graph.repeat((hand, JointState(name=["finger", "gripper"], position=[9.0, 0.5])))
    seen(rig, "state", [0.25, 0.5])


def test_the_pose_of_a_tool_comes_from_the_tree_of_frames(make_rig: Callable[..., Rig]) -> None:
    messages = pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs is not built: make peers")
    tool = "\n    tool: {tf: {frame: tool0, in: base_link}, rotation: rpy}\naction:"
    rig = make_rig(changes={MORE: tool})

    def told(parent: str, child: str, x: float) -> Any:
        item = TransformStamped(child_frame_id=child)
        item.header.frame_id = parent
        item.header.stamp = rig.graph.node.get_clock().now().to_msg()
        item.transform.translation.x = x
        return messages.TFMessage(transforms=[item])

    mounts = [rig.graph.publisher(messages.TFMessage, "/tf_static", LATCHED) for _ in range(2)]
    mounts[0].publish(told("base_link", "shoulder", 1.0))
    mounts[1].publish(told("wrist", "tool0", 0.25))
    rig.run()
    moving = rig.graph.publisher(messages.TFMessage, "/tf")
    rig.graph.repeat((moving, told("shoulder", "wrist", 2.0)))
    seen(rig, "tool", [3.25, 0, 0, 0, 0, 0])


def test_a_motion_relative_to_the_tool_becomes_its_target_pose(
    make_rig: Callable[..., Rig],
) -> None:
    """The tool is turned by a quarter about z, and the model turns it by a quarter about x."""
    messages = pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs is not built: make peers")
    tool = (
        "\n    tool: {tf: {frame: tool0, in: base_link}, align: asof, tolerance_s: 0.1}\naction:"
    )
    names = """names: [x, y, z, r0, r1, r2]
  rotation_vector: [r0, r1, r2]
  relative: {x: tool.x, y: tool.y, z: tool.z, r0: tool.rotation}"""
    output = """
    - topic: target_frame
      type: geometry_msgs/msg/PoseStamped
      kind: position
      fields: [pose.position.x, pose.position.y, pose.position.z, pose.orientation]
"""
    rig = make_rig(changes={MORE: tool, "names: [arm, gripper]": names, OUTPUTS: output})
    rig.answer = np.tile([0.5, 0.0, 0.0, np.pi / 2, 0.0, 0.0], (10, 1))
    target = rig.graph.inbox(PoseStamped, "/r/target_frame")
    rig.run()
    half = np.sqrt(0.5)
    item = TransformStamped(child_frame_id="tool0")
    item.header.frame_id = "base_link"
    item.transform.translation.x = 2.0
    item.transform.rotation.z = item.transform.rotation.w = half
    moving = rig.graph.publisher(messages.TFMessage, "/tf")
    rig.graph.repeat((moving, messages.TFMessage(transforms=[item])))

    def is_reached(message: PoseStamped) -> bool:
        place, turn = message.pose.position, message.pose.orientation
        found = np.array([place.x, turn.x, turn.y, turn.z, turn.w])
        return np.allclose(found, [2.5, 0.5, -0.5, 0.5, 0.5], atol=1e-6)

    target.wait(is_reached)


def test_motors_of_a_humanoid_and_interfaces_of_a_controller(make_rig: Callable[..., Rig]) -> None:
    unitree = pytest.importorskip("unitree_hg.msg", reason="unitree_hg is not built: make peers")
    control = pytest.importorskip(
        "control_msgs.msg", reason="control_msgs is not built: make peers"
    )
    keys = """
    legs: {topic: lowstate, type: unitree_hg/msg/LowState, select: ['motor_state[0:3].q']}
    heat:
      topic: dynamic
      type: control_msgs/msg/DynamicJointState
      select: ['interface_values[joint=elbow, interface=temperature]']
action:"""
    rig = make_rig(changes={MORE: keys})
    rig.run()
    state = unitree.LowState()
    for index, motor in enumerate(state.motor_state):
        motor.q = float(index)
    values = control.InterfaceValue(
        interface_names=["position", "temperature"], values=[1.0, 40.0]
    )
    joints = control.DynamicJointState(joint_names=["elbow"], interface_values=[values])
    for kind, topic, message in (
        (unitree.LowState, "/r/lowstate", state),
        (control.DynamicJointState, "/r/dynamic", joints),
    ):
        rig.graph.repeat((rig.graph.publisher(kind, topic), message))
    seen(rig, "legs", [0, 1, 2])
    seen(rig, "heat", [40])
