"""What a bridge publishes when things go wrong, seen where the robot sees it: at the topic."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("pydantic", reason="the server side needs pydantic")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from inferential.msg import ActionChunk, BridgeStatus
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
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


@pytest.fixture
def rig(graph: Any, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(graph, tmp_path)
    yield rig
    rig.server.stop()


def test_a_plan_is_executed_and_reported(rig: Rig) -> None:
    rig.run()
    rig.expect([0.5], [2.0])
    status = rig.until(BridgeStatus.STATE_EXECUTING)
    assert (status.client, status.model, status.server) == ("r", "policy", rig.server.address)
    status = rig.status.wait(lambda m: m.deadline_hits > 10)
    assert status.ok > 10 and status.latency_samples > 0 and 0 < status.latency_p95 < 5
    chunk = rig.chunks.wait()
    assert list(chunk.names) == ["arm", "gripper"] and chunk.horizon == 10
    assert chunk.lease.nanosec == 200_000_000 and chunk.start == chunk.header.stamp


def test_with_a_runway_it_asks_for_few_samples_and_one_at_a_time(
    graph: Any, tmp_path: Path
) -> None:
    rig = Rig(graph, tmp_path, trigger="{runway: 0.5}")
    rig.run()
    status = rig.status.wait(lambda m: m.deadline_hits >= 5)
    report = rig.diagnostics.wait(since=rig.diagnostics.mark())
    rig.server.stop()
    (state,) = [s for s in report.status if s.name.endswith("input state")]
    received = int({pair.key: pair.value for pair in state.values}["received"])
    assert status.observations <= received / 2  # five steps are executed before the next one
    assert status.superseded == 0 and status.observations <= status.ok + 1


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (np.full((10, 2), np.nan, dtype=np.float32), "NaN"),
        (np.zeros((10, 3), dtype=np.float32), "shape"),
        (np.zeros((0, 2), dtype=np.float32), "shape"),
    ],
)
def test_nothing_is_published_before_the_first_valid_plan(rig: Rig, bad: Any, why: str) -> None:
    rig.answer = bad
    rig.run()
    status = rig.status.wait(lambda m: m.invalid_plans >= 5)
    assert why in status.last_error
    assert status.state == BridgeStatus.STATE_WAITING
    assert not rig.arm.messages and not rig.gripper.messages and not rig.chunks.messages
    rig.answer = GOOD
    rig.expect([0.5], [2.0])


def test_bad_plans_are_ignored_whole_until_the_lease_ends_then_the_fallback_comes(
    rig: Rig,
) -> None:
    rig.run()
    rig.expect([0.5], [2.0])
    mark, arms = rig.status.mark(), rig.arm.mark()
    rig.answer = np.full((10, 2), np.nan, dtype=np.float32)
    rig.until(BridgeStatus.STATE_FALLBACK, mark)
    rig.expect([0.5], [0.0])
    assert all(list(m.data) == [0.5] for m in rig.arm.messages[arms:])
    rig.answer = GOOD
    rig.expect([0.5], [2.0])


def test_commands_stay_within_the_limits(rig: Rig) -> None:
    rig.answer = np.tile(np.float32([40.0, 40.0]), (10, 1))
    rig.run()
    rig.expect([1.0], [40.0])
    assert all(list(m.data) == [1.0] for m in rig.arm.messages)


def test_pause_falls_back_and_resume_goes_on(rig: Rig) -> None:
    rig.run()
    rig.expect([0.5], [2.0])
    mark = rig.status.mark()
    assert rig.call("pause").success
    rig.until(BridgeStatus.STATE_PAUSED, mark)
    rig.expect([0.5], [0.0])
    asked = rig.status.wait(since=rig.status.mark()).observations
    assert rig.status.wait(since=rig.status.mark()).observations == asked  # a second later
    assert rig.call("resume").success
    rig.expect([0.5], [2.0])


def test_an_emergency_stop_needs_reset_and_resume(rig: Rig) -> None:
    rig.run()
    rig.expect([0.5], [2.0])
    mark = rig.status.mark()
    assert rig.call("emergency_stop").success
    rig.until(BridgeStatus.STATE_EMERGENCY_STOPPED, mark)
    rig.expect([0.5], [0.0])
    refused = rig.call("resume")
    assert not refused.success and "reset" in refused.message
    mark = rig.status.mark()
    assert rig.call("reset").success
    assert rig.until(BridgeStatus.STATE_PAUSED, mark).epoch == 1
    rig.expect([0.5], [0.0])
    assert rig.call("resume").success
    mark = rig.chunks.mark()
    rig.expect([0.5], [2.0])
    assert rig.chunks.wait(since=mark).epoch == 1


@pytest.mark.parametrize("breaks", [("pause", "resume"), ("reset",)], ids=["pause", "reset"])
def test_an_answer_to_what_was_seen_before_a_break_is_not_executed_after_it(
    rig: Rig, breaks: tuple[str, ...]
) -> None:
    rig.run()
    rig.expect([0.5], [2.0])
    rig.answer = np.tile(np.float32([0.9, 9.0]), (100, 1))  # long enough to be valid afterwards
    rig.open.clear()
    assert rig.entered.wait(20.0)
    mark = rig.gripper.mark()
    for service in breaks:
        assert rig.call(service).success
    rig.answer = np.tile(np.float32([0.5, 3.0]), (10, 1))
    rig.open.set()
    rig.gripper.wait(lambda m: list(m.data) == [3.0], mark)
    assert not [m for m in rig.gripper.messages if list(m.data) == [9.0]]


def test_deactivating_ends_with_the_fallback(rig: Rig) -> None:
    rig.run()
    rig.expect([0.5], [2.0])
    mark = rig.status.mark()
    rig.change(Transition.TRANSITION_DEACTIVATE)
    assert not rig.until(BridgeStatus.STATE_INACTIVE, mark).connected
    assert list(rig.gripper.messages[-1].data) == [0.0]
    assert list(rig.arm.messages[-1].data) == [0.5]
    silent = rig.arm.mark(), rig.gripper.mark()
    refused = rig.call("reset")
    assert not refused.success and "not active" in refused.message
    assert (rig.arm.mark(), rig.gripper.mark()) == silent
    rig.change(Transition.TRANSITION_ACTIVATE)
    rig.expect([0.5], [2.0])


def test_a_joint_that_goes_missing_is_told_and_nothing_is_asked(rig: Rig) -> None:
    rig.joints.name = ["gripper", "arn"]
    rig.run()
    path = "observation.keys.state.joints[0]"
    status = rig.status.wait(lambda m: path in m.last_error)
    assert status.observations == 0 and not rig.arm.messages
    report = rig.diagnostics.wait(lambda m: any(path in s.message for s in m.status))
    (wrong,) = [s for s in report.status if path in s.message]
    assert wrong.level == DiagnosticStatus.ERROR and wrong.hardware_id == "arm"
    assert wrong.name == "/r/inference_bridge: input state" and "'arm'" in wrong.message


def test_the_life_of_a_node_leaves_nothing_behind(rig: Rig) -> None:
    def counts() -> tuple[int, ...]:
        kinds = ("subscriptions", "publishers", "services", "timers")
        return tuple(len(list(getattr(rig.bridge, kind))) for kind in kinds)

    before, threads = counts(), threading.active_count()
    for _ in range(5):
        rig.change(Transition.TRANSITION_CONFIGURE)
        rig.change(Transition.TRANSITION_ACTIVATE)
        rig.change(Transition.TRANSITION_DEACTIVATE)
        rig.change(Transition.TRANSITION_CLEANUP)
    assert counts() == before and threading.active_count() == threads
    request = GetState.Request()
    state = rig.graph.call(GetState, "/r/inference_bridge/get_state", request).current_state
    assert state.id == State.PRIMARY_STATE_UNCONFIGURED


@pytest.fixture
def simulated(graph: Any, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(graph, tmp_path, Parameter("use_sim_time", value=True))
    yield rig
    rig.server.stop()


def test_simulated_time_paces_the_plan_and_a_clock_set_back_drops_it(simulated: Rig) -> None:
    rig = simulated
    rig.answer = np.stack([np.arange(10) / 10, np.ones(10)], axis=1).astype(np.float32)
    rig.change(Transition.TRANSITION_CONFIGURE)
    rig.change(Transition.TRANSITION_ACTIVATE)
    clock = rig.graph.publisher(Clock, "/clock")
    rig.graph.matched(clock)
    rig.graph.matched(rig.state)
    rig.status.wait(lambda m: m.connected)

    def at(seconds: float, inbox: Any, fits: Callable[[Any], bool]) -> None:
        """Set the clock and wait for what then comes."""
        mark = inbox.mark()
        now = Clock()
        now.clock.sec, now.clock.nanosec = int(seconds), round(seconds % 1 * 1e9)
        clock.publish(now)
        if inbox is rig.chunks:
            rig.joints.header.stamp = now.clock
            rig.state.publish(rig.joints)
        inbox.wait(fits, mark)

    at(100.0, rig.status, lambda m: m.header.stamp.sec == 100)  # the bridge knows the time
    at(100.0, rig.chunks, lambda m: m.start.sec == 100)
    at(100.05, rig.arm, lambda m: m.data[0] == pytest.approx(0.2))
    at(100.15, rig.arm, lambda m: m.data[0] == pytest.approx(0.7))
    at(50.0, rig.gripper, lambda m: m.data[0] == 0.0)
    at(100.05, rig.arm, lambda m: m.data[0] == pytest.approx(0.7))  # held: the plan is gone
    at(100.5, rig.chunks, lambda m: (m.start.sec, m.start.nanosec) == (100, 500_000_000))
    at(100.56, rig.arm, lambda m: m.data[0] == pytest.approx(0.3))
