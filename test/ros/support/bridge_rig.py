"""A robot's topics, a bridge and a server with a model whose answers the test chooses."""

from __future__ import annotations

import threading
from collections.abc import Callable
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

from inferential_core import InferentialConfig, LocalDispatcher, Server
from inferential_ros.bridge_node import BridgeNode

LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
OUTPUTS = """
    - topic: arm
      type: std_msgs/msg/Float64MultiArray
      kind: position
      select: [arm]
      limits: [-1, 1]
    - {topic: gripper, type: std_msgs/msg/Float64MultiArray, kind: effort, select: [gripper]}
"""
CONTRACT = f"""
robot: arm
model: {{id: policy, latency_budget_ms: 1000}}
observation:
  trigger: {{on: state}}
  keys:
    state: {{topic: joint_states, type: sensor_msgs/msg/JointState, joints: [arm, gripper]}}
action:
  names: [arm, gripper]
  rate_hz: 50
  outputs:{OUTPUTS}"""
GOOD = np.tile(np.float32([0.5, 2.0]), (10, 1))


class Rig:
    """A robot's topics, a bridge and a server with a model whose answer the test chooses."""

    latched = LATCHED

    def __init__(
        self,
        graph: Any,
        tmp_path: Path,
        *overrides: Parameter,
        trigger: str = "{on: state}",
        changes: dict[str, str] | None = None,
        server_seen_at: Callable[[str], str] = lambda address: address,
        config: InferentialConfig | None = None,
    ) -> None:
        self.graph = graph
        self.answer: Any = GOOD
        self.open, self.entered = threading.Event(), threading.Event()  # a gate in the model
        self.open.set()
        self.server = Server(
            bind="tcp://127.0.0.1:*",
            config=config,
            dispatcher=LocalDispatcher({"policy": self._infer}),
        )
        self.server.start()
        contract = tmp_path / "contract.yaml"
        text = CONTRACT.replace("{on: state}", trigger)
        for old, new in (changes or {}).items():
            assert old in text
            text = text.replace(old, new)
        contract.write_text(text)
        self._parameters = [
            Parameter("contract_file", value=str(contract)),
            Parameter("server", value=server_seen_at(self.server.address)),
            Parameter("sample_timeout", value=0.0),
        ]
        self.bridge = self._bridge("r", *overrides)
        self.state = graph.publisher(JointState, "/r/joint_states")
        self.joints = JointState(name=["gripper", "arm"], position=[0.1, 0.2])
        self.status = graph.inbox(BridgeStatus, "/r/bridge_status", LATCHED)
        self.chunks = graph.inbox(ActionChunk, "/r/action_chunk")
        self.arm = graph.inbox(Float64MultiArray, "/r/arm")
        self.gripper = graph.inbox(Float64MultiArray, "/r/gripper")
        self.executed = graph.inbox(ActionChunk, "/r/executed_chunk")
        self.pending = graph.inbox(ActionChunk, "/r/pending_chunk")
        self.seen: list[dict[str, Any]] = []  # what the model was given
        self.diagnostics = graph.inbox(DiagnosticArray, "/diagnostics")

    def _bridge(self, namespace: str, *overrides: Parameter) -> BridgeNode:
        return self.graph.add(
            BridgeNode(
                context=self.graph.context,
                namespace=namespace,
                parameter_overrides=[*self._parameters, *overrides],
            )
        )

    def another_robot(self, namespace: str, *overrides: Parameter) -> Any:
        """One more bridge of this process at work, in a namespace; what it says of itself."""
        self._bridge(namespace, *overrides)
        status = self.graph.inbox(BridgeStatus, f"/{namespace}/bridge_status", LATCHED)
        self.change(Transition.TRANSITION_CONFIGURE, f"/{namespace}")
        self.change(Transition.TRANSITION_ACTIVATE, f"/{namespace}")
        state = self.graph.publisher(JointState, f"/{namespace}/joint_states")
        self.graph.repeat((state, self.joints))
        return status

    def _infer(self, obs: dict[str, Any]) -> dict[str, Any]:
        self.seen.append(obs)
        answer = self.answer(obs) if callable(self.answer) else self.answer
        if not self.open.is_set():
            self.entered.set()
            assert self.open.wait(20.0)
        if isinstance(answer, Exception):
            raise answer
        return {"actions": answer}

    def change(self, transition: int, namespace: str = "/r") -> None:
        request = ChangeState.Request(transition=Transition(id=transition))
        service = f"{namespace}/inference_bridge/change_state"
        assert self.graph.call(ChangeState, service, request).success

    def run(self) -> None:
        """Configure, activate, and feed it with joint states."""
        self.change(Transition.TRANSITION_CONFIGURE)
        self.change(Transition.TRANSITION_ACTIVATE)
        self.sensor = self.graph.repeat((self.state, self.joints))

    def call(self, service: str) -> Trigger.Response:
        return self.graph.call(Trigger, f"/r/inference_bridge/{service}", Trigger.Request())

    def until(self, state: int, since: int = 0) -> BridgeStatus:
        return self.status.wait(lambda m: m.state == state, since)

    def expect(self, arm: list[float], gripper: list[float]) -> None:
        """These values come next or soon, on both topics."""
        marks = self.arm.mark(), self.gripper.mark()
        self.arm.wait(lambda m: list(m.data) == arm, marks[0])
        self.gripper.wait(lambda m: list(m.data) == gripper, marks[1])

    def judge(self) -> None:
        """What holds whatever happened: limits, leases, order. In plan time, not in wall time."""
        assert all(-1.0 <= value <= 1.0 for m in self.arm.messages for value in m.data)
        leases = {
            m.request_id: nanoseconds(m.start) + nanoseconds(m.lease) for m in self.chunks.messages
        }
        executed = [m.request_id for m in self.executed.messages]
        assert executed == sorted(set(executed)), "a plan was executed twice or after a newer one"
        for chunk in self.executed.messages:
            last_ns = nanoseconds(chunk.start) + (chunk.horizon - 1) * nanoseconds(chunk.period)
            assert last_ns < leases[chunk.request_id], "a step was published after its lease"
        ids = [m.request_id for m in self.chunks.messages]
        assert ids == sorted(set(ids)), "a plan was accepted twice or after a newer one"


def nanoseconds(time: Any) -> int:
    """Of a Time or a Duration message."""
    return time.sec * 10**9 + time.nanosec
