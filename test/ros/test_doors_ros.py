"""One server and one model for clients of every kind at once, and they share a batch."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("pydantic", reason="the server side needs pydantic")

from doors_rig import BOUND_S, Gr00tClient, OpenpiClient, serve, wait_for
from doors_rig import address as address_of
from inferential.msg import BridgeStatus
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState

from inferential_core import Connection

ROOT = Path(__file__).resolve().parents[2]
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
CONTRACT = """
robot: two_joints
model: {id: policy, latency_budget_ms: 1000}
observation:
  trigger: {on: state}
  keys:
    state: {topic: joint_states, type: sensor_msgs/msg/JointState, joints: [arm, gripper]}
action:
  names: [arm, gripper]
  rate_hz: 50
  outputs:
    - {topic: arm, type: std_msgs/msg/Float64MultiArray, kind: position, select: [arm, gripper]}
"""
PUBLISHED = """
import sys, numpy as np
from inferential import Connection
model = Connection(server=sys.argv[1], client_id="published").model("policy")
model.observe(state=np.float32([4, 4]))
print(float(model.get_result(timeout_ms=20000)["actions"][0, 0]))
"""
BRIDGE, OPENPI, GR00T, OLD = 1.0, 2.0, 3.0, 4.0  # what each of them sends


class Model:
    """Holds its first call until it is let go; who was in each call stands in `calls`."""

    def __init__(self) -> None:
        self.busy, self.go = threading.Event(), threading.Event()
        self.calls: list[set[float]] = []

    def infer_batch(self, observations: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.busy.set()
        assert self.go.wait(BOUND_S)
        self.calls.append({float(obs["state"].flat[0]) for obs in observations})
        return [
            {"actions": np.full((50, 2), obs["state"].flat[0], np.float32)} for obs in observations
        ]


def published_python() -> str:
    command = [sys.executable, ROOT / "tools" / "published.py", "1.4.0"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode == 3:
        pytest.skip("no environment for inferential 1.4.0 on this machine")
    assert done.returncode == 0
    return done.stdout.strip()


@pytest.mark.timeout(600)  # the first run makes the environment of the published client
def test_a_bridge_clients_of_both_doors_and_a_published_client_share_a_batch(
    graph: Any, start: Callable[..., Any], tmp_path: Path
) -> None:
    python = published_python()
    model = Model()
    contract = tmp_path / "contract.yaml"
    contract.write_text(CONTRACT)
    joints = JointState(name=["arm", "gripper"], position=[BRIDGE, BRIDGE])
    patience = {"request_ttl_ms": 20_000}
    with serve({"policy": model}, "openpi", "gr00t", scheduling=patience) as server:
        with (
            Connection(server.address, client_id="first") as connection,
            OpenpiClient(address_of(server, 0)) as openpi,
            Gr00tClient(server, 1) as gr00t,
        ):
            connection.model("policy").observe(state=np.float32([0, 0]))
            assert model.busy.wait(BOUND_S)
            status = graph.inbox(BridgeStatus, "/robot_1/bridge_status", LATCHED)
            graph.repeat((graph.publisher(JointState, "/robot_1/joint_states"), joints))
            start(
                "inferential_ros.bridge_node",
                "robot_1",
                contract_file=str(contract),
                server=server.address,
            )
            openpi.send(openpi.pack({"state": np.float32([OPENPI, OPENPI])}))
            request = {"data": {"state": np.float32([[GR00T, GR00T]])}}
            gr00t.send(msgpack.packb(request, default=gr00t._array))
            old = subprocess.Popen(
                [python, "-E", "-c", PUBLISHED, server.address],
                env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
                stdout=subprocess.PIPE,
                text=True,
            )
            wait_for(lambda: all_asked(server.status()), lambda: str(server.status()))
            model.go.set()
            assert openpi.receive()["actions"][0, 0] == OPENPI
            assert gr00t.receive()["action.actions"][0, 0] == GR00T
            assert float(old.communicate(timeout=BOUND_S)[0]) == OLD
            status.wait(lambda m: m.state == BridgeStatus.STATE_EXECUTING)
    assert {BRIDGE, OPENPI, GR00T, OLD} in model.calls


def all_asked(status: dict[str, Any]) -> bool:
    """Whether each of them has asked, and all but the first wait."""
    asked = {client["id"] for client in status["clients"] if client["received"]}
    expected = {"robot_1", "published", "openpi-127.0.0.1-1", "gr00t-127.0.0.1-1"}
    return asked >= expected and status["queued"] >= len(expected)
