"""A robot's topics, a bridge and a server with a model whose answers the test chooses."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from inferential.msg import ActionChunk, BridgeStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from inferential_core import LocalDispatcher, Server
from inferential_ros.bridge_node import BridgeNode

LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
CONTRACT = """
robot: arm
model: {id: policy, latency_budget_ms: 1000}
observation:
  trigger: {on: state}
  keys:
    state: {topic: joint_states, type: sensor_msgs/msg/JointState, joints: [arm, gripper]}
action:
  names: [arm, gripper]
  rate_hz: 50
  outputs:
    - topic: arm
      type: std_msgs/msg/Float64MultiArray
      kind: position
      select: [arm]
      limits: [-1, 1]
    - {topic: gripper, type: std_msgs/msg/Float64MultiArray, kind: effort, select: [gripper]}
"""
GOOD = np.tile(np.float32([0.5, 2.0]), (10, 1))


class Rig:
    """A robot's topics, a bridge and a server with a model whose answer the test chooses."""

    def __init__(
        self, graph: Any, tmp_path: Path, *overrides: Parameter, trigger: str = "{on: state}"
    ) -> None:
        self.graph = graph
        self.answer: Any = GOOD
        self.open, self.entered = threading.Event(), threading.Event()  # a gate in the model
        self.open.set()
        self.server = Server(
            bind="tcp://127.0.0.1:*", dispatcher=LocalDispatcher({"policy": self._infer})
        )
        self.server.start()
        contract = tmp_path / "contract.yaml"
        contract.write_text(CONTRACT.replace("{on: state}", trigger))
        parameters = [
            Parameter("contract_file", value=str(contract)),
            Parameter("server", value=self.server.address),
            Parameter("sample_timeout", value=0.0),
            *overrides,
        ]
        self.bridge = graph.add(
            BridgeNode(context=graph.context, namespace="r", parameter_overrides=parameters)
        )
        self.state = graph.publisher(JointState, "/r/joint_states")
        self.joints = JointState(name=["gripper", "arm"], position=[0.1, 0.2])
        self.status = graph.inbox(BridgeStatus, "/r/bridge_status", LATCHED)
        self.chunks = graph.inbox(ActionChunk, "/r/action_chunk")
        self.arm = graph.inbox(Float64MultiArray, "/r/arm")
        self.gripper = graph.inbox(Float64MultiArray, "/r/gripper")
        self.diagnostics = graph.inbox(DiagnosticArray, "/diagnostics")

    def _infer(self, obs: dict[str, Any]) -> dict[str, Any]:
        answer = self.answer
        if not self.open.is_set():
            self.entered.set()
            assert self.open.wait(20.0)
        if isinstance(answer, Exception):
            raise answer
        return {"actions": answer}

    def change(self, transition: int) -> None:
        request = ChangeState.Request(transition=Transition(id=transition))
        assert self.graph.call(ChangeState, "/r/inference_bridge/change_state", request).success

    def run(self) -> None:
        """Configure, activate, and feed it with joint states."""
        self.change(Transition.TRANSITION_CONFIGURE)
        self.change(Transition.TRANSITION_ACTIVATE)
        self.graph.repeat((self.state, self.joints))

    def call(self, service: str) -> Trigger.Response:
        return self.graph.call(Trigger, f"/r/inference_bridge/{service}", Trigger.Request())

    def until(self, state: int, since: int = 0) -> BridgeStatus:
        return self.status.wait(lambda m: m.state == state, since)

    def expect(self, arm: list[float], gripper: list[float]) -> None:
        """These values come next or soon, on both topics."""
        marks = self.arm.mark(), self.gripper.mark()
        self.arm.wait(lambda m: list(m.data) == arm, marks[0])
        self.gripper.wait(lambda m: list(m.data) == gripper, marks[1])
