"""The server dies with SIGKILL and comes back: robots hold, then go on, without any help."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")

from bridge_rig import CONTRACT
from inferential.msg import BridgeStatus, ServerStatus
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
ROBOTS = ("robot_1", "robot_2")
RECONNECT_S = 2.0


def seconds(stamp: Any) -> float:
    return stamp.sec + stamp.nanosec / 1e9


def test_robots_hold_while_the_server_is_gone_and_go_on_when_it_is_back(
    graph: Any, start: Callable[..., Any], address: str, tmp_path: Path
) -> None:
    contract = tmp_path / "contract.yaml"
    contract.write_text(CONTRACT)
    joints = JointState(name=["gripper", "arm"], position=[0.0, 0.0])
    graph.repeat(*((graph.publisher(JointState, f"/{r}/joint_states"), joints) for r in ROBOTS))
    models = ["policy:=robot_models:Constant"]
    server = start("inferential_ros.server_node", bind=address, models=models)
    bridges = [
        start("inferential_ros.bridge_node", robot, contract_file=str(contract), server=address)
        for robot in ROBOTS
    ]
    served = graph.inbox(ServerStatus, "/server_status", LATCHED)
    status = {r: graph.inbox(BridgeStatus, f"/{r}/bridge_status", LATCHED) for r in ROBOTS}
    arm = {r: graph.inbox(Float64MultiArray, f"/{r}/arm") for r in ROBOTS}
    gripper = {r: graph.inbox(Float64MultiArray, f"/{r}/gripper") for r in ROBOTS}
    for robot in ROBOTS:
        status[robot].wait(lambda m: m.state == BridgeStatus.STATE_EXECUTING)
        arm[robot].wait(lambda m: list(m.data) == [0.25])
        gripper[robot].wait(lambda m: list(m.data) == [2.0])

    marks = {r: status[r].mark() for r in ROBOTS}
    server.kill()
    for robot in ROBOTS:
        fallen_back = status[robot].wait(
            lambda m: m.state == BridgeStatus.STATE_FALLBACK and not m.connected, marks[robot]
        )
        assert fallen_back.fallback_ticks > 0
        arm_mark, gripper_mark = arm[robot].mark(), gripper[robot].mark()
        assert list(arm[robot].wait(since=arm_mark).data) == [0.25]  # the last target, held
        assert list(gripper[robot].wait(since=gripper_mark).data) == [0.0]

    marks = {r: status[r].mark() for r in ROBOTS}
    since = served.mark()
    start("inferential_ros.server_node", bind=address, models=models)
    back = seconds(served.wait(since=since).header.stamp)
    for robot in ROBOTS:
        connected = status[robot].wait(lambda m: m.connected, marks[robot])
        assert seconds(connected.header.stamp) - back <= RECONNECT_S
        status[robot].wait(lambda m: m.state == BridgeStatus.STATE_EXECUTING, marks[robot])
        mark = gripper[robot].mark()
        gripper[robot].wait(lambda m: list(m.data) == [2.0], mark)
    assert [bridge.process.poll() for bridge in bridges] == [None, None]
    assert [bridge.stop() for bridge in bridges] == [0, 0]
