"""Commands of message packages of others, from a bridge over DDS to whoever listens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here")
pytest.importorskip("control_msgs.msg", reason="control_msgs is not built: make peers")

from bridge_rig import OUTPUTS
from control_msgs.msg import DynamicInterfaceGroupValues, JointJog
from geometry_msgs.msg import PoseStamped

SERVO_AND_GPIO = """
    - topic: servo
      type: control_msgs/msg/JointJog
      kind: velocity
      select: [arm]
      fields: ['velocities[0]']
      set: {joint_names: [elbow], header.frame_id: base}
    - topic: gpio
      type: control_msgs/msg/DynamicInterfaceGroupValues
      kind: position
      select: [gripper]
      fields: ['interface_values[0].values[0]']
      set: {interface_groups: [flange], 'interface_values[0].interface_names': [vacuum]}
"""
YAW = """
    - topic: pose
      type: geometry_msgs/msg/PoseStamped
      kind: position
      fields: [pose.orientation.z, pose.orientation.w]
"""


def test_a_servo_and_a_gpio_controller_hear_names_and_values(make_rig: Any, graph: Any) -> None:
    rig = make_rig(changes={OUTPUTS: SERVO_AND_GPIO})
    servo = graph.inbox(JointJog, "/r/servo")
    gpio = graph.inbox(DynamicInterfaceGroupValues, "/r/gpio")
    rig.run()
    jog = servo.wait()
    assert jog.joint_names == ["elbow"] and list(jog.velocities) == [0.5]
    assert jog.header.frame_id == "base" and jog.header.stamp.sec > 0
    values = gpio.wait()
    assert values.interface_groups == ["flange"]
    assert values.interface_values[0].interface_names == ["vacuum"]
    assert list(values.interface_values[0].values) == [2.0]


def test_every_orientation_that_is_published_has_length_one(make_rig: Any, graph: Any) -> None:
    rig = make_rig(changes={OUTPUTS: YAW, "rate_hz: 50": "rate_hz: 50\n  control_rate_hz: 200"})
    poses = graph.inbox(PoseStamped, "/r/pose", 500)
    turns = np.linspace(0, 6, 10, dtype=np.float32)
    rig.answer = 0.8 * np.stack([np.sin(turns), np.cos(turns)], axis=1)
    rig.run()
    poses.wait(since=60)
    for message in poses.messages:
        rotation = message.pose.orientation
        assert abs(np.hypot(rotation.z, rotation.w) - 1.0) < 1e-6 and rotation.x == rotation.y == 0


def test_a_quaternion_that_is_none_is_never_published(make_rig: Any, graph: Any) -> None:
    rig = make_rig(changes={OUTPUTS: YAW})
    poses = graph.inbox(PoseStamped, "/r/pose")
    rig.answer = np.full((10, 2), 0.1, np.float32)
    rig.run()
    status = rig.status.wait(lambda m: m.invalid_plans > 0)
    assert "arm, gripper is a quaternion of length 0.141" in status.last_error
    assert not poses.messages
