"""Types beyond joints and arrays at the topic: read by fields, written with stamps and units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")

import bridge_rig
from bridge_rig import Rig
from geometry_msgs.msg import TwistStamped, Vector3
from sensor_msgs.msg import Imu

TURN = """
    turn:
      topic: imu
      type: sensor_msgs/msg/Imu
      select: [angular_velocity.z]
      unit: deg
      align: drop
action:"""
TWIST = """
    - topic: twist
      type: geometry_msgs/msg/TwistStamped
      fields: [twist.linear.x, twist.angular.z]
      set: {header.frame_id: base}
      unit: {gripper: deg}
      limits: {gripper: [-0.02, 0.02]}
"""


class Turning(Rig):
    """A rig whose model keeps what it saw of the rate gyro."""

    turns: list[float]

    def _infer(self, obs: dict[str, Any]) -> dict[str, Any]:
        if "turn" in obs:
            self.turns.append(float(obs["turn"][0]))
        return super()._infer(obs)


def test_fields_are_read_and_written_with_units_limits_and_a_stamp(
    graph: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = bridge_rig.CONTRACT.replace("\naction:", TURN, 1).rstrip("\n") + TWIST
    monkeypatch.setattr(bridge_rig, "CONTRACT", contract)
    Turning.turns = []
    rig = Turning(graph, tmp_path)
    twists = graph.inbox(TwistStamped, "/r/twist")
    imu = graph.publisher(Imu, "/r/imu")
    before_ns = graph.node.get_clock().now().nanoseconds
    try:
        rig.run()
        graph.repeat((imu, Imu(angular_velocity=Vector3(z=0.5))))
        message = twists.wait(lambda m: m.twist.linear.x == 0.5)
        rig.chunks.wait(lambda _: bool(rig.turns), rig.chunks.mark())
    finally:
        rig.server.stop()
    # 2 degrees are 0.035 rad, beyond the limit; stamped when it was published
    assert message.twist.angular.z == pytest.approx(0.02)
    assert message.header.frame_id == "base"
    stamp_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
    assert before_ns < stamp_ns <= graph.node.get_clock().now().nanoseconds
    assert rig.turns[0] == pytest.approx(28.6479, abs=1e-3)
