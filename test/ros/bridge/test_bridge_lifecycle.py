"""A bridge's life: what deactivation says last, what a life leaves behind, whose time it keeps."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("pydantic", reason="the server side needs pydantic")

from bridge_rig import Rig
from inferential.msg import BridgeStatus
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import GetState
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from inferential_ros.bridge import console


def test_deactivating_ends_with_the_fallback(rig: Rig) -> None:
    rig.run()
    rig.expect([0.5], [2.0])
    mark, gripped = rig.status.mark(), rig.gripper.mark()
    rig.change(Transition.TRANSITION_DEACTIVATE)
    assert not rig.until(BridgeStatus.STATE_INACTIVE, mark).connected
    rig.gripper.wait(lambda m: list(m.data) == [0.0], gripped)
    refused = rig.call("reset")  # what was on its way has come when this is answered
    silent = rig.arm.mark(), rig.gripper.mark()
    assert not rig.call("resume").success
    assert list(rig.gripper.messages[-1].data) == [0.0]
    assert list(rig.arm.messages[-1].data) == [0.5]
    assert not refused.success and "not active" in refused.message
    assert (rig.arm.mark(), rig.gripper.mark()) == silent
    rig.change(Transition.TRANSITION_ACTIVATE)
    rig.expect([0.5], [2.0])


def test_deactivating_before_the_first_plan_tells_of_no_fallback(rig: Rig) -> None:
    rig.answer = RuntimeError("no weights")
    rig.run()
    rig.until(BridgeStatus.STATE_WAITING)
    mark = rig.status.mark()
    rig.change(Transition.TRANSITION_DEACTIVATE)
    rig.until(BridgeStatus.STATE_INACTIVE, mark)
    told = {status.state for status in rig.status.messages[mark:]}
    assert told <= {BridgeStatus.STATE_WAITING, BridgeStatus.STATE_INACTIVE}
    assert not rig.arm.messages and not rig.gripper.messages


class Footprint:
    """What this process has of what a node could leak."""

    def __init__(self, rig: Rig) -> None:
        self._bridge = rig.bridge

    def now(self) -> dict[str, int]:
        kinds = ("subscriptions", "publishers", "services", "clients", "timers", "guards")
        found = {kind: len(list(getattr(self._bridge, kind))) for kind in kinds}
        return found | {
            "threads": threading.active_count(),
            "files": len(os.listdir("/proc/self/fd")),
        }

    def settles_at(self, before: dict[str, int]) -> None:
        """The server's end of a connection closes a moment after the robot's."""
        for _ in range(500):
            now = self.now()
            if all(now[name] <= before[name] for name in before):
                return
            threading.Event().wait(0.02)
        raise AssertionError(f"left behind: {now}, before: {before}")


def live(rig: Rig, times: int) -> None:
    """So many lives of the node, on the thread that spins it."""
    ended = threading.Event()
    failed: list[str] = []

    def lives() -> None:
        steps = (
            rig.bridge.trigger_configure,
            rig.bridge.trigger_activate,
            rig.bridge.trigger_deactivate,
            rig.bridge.trigger_cleanup,
        )
        for _ in range(times):
            failed.extend(
                step.__name__ for step in steps if step() != TransitionCallbackReturn.SUCCESS
            )
        ended.set()

    rig.graph.executor.create_task(lives)
    rig.graph.executor.wake()
    assert ended.wait(1.0 * times + 20.0)
    assert not failed


# `make endurance` lives a hundred times.
LIVES = int(os.environ.get("INFERENTIAL_LIVES", "8"))


def test_the_life_of_a_node_leaves_nothing_behind(rig: Rig) -> None:
    footprint = Footprint(rig)
    live(rig, 2)  # what is made once is made now
    before = footprint.now()
    live(rig, LIVES)
    footprint.settles_at(before)
    request = GetState.Request()
    state = rig.graph.call(GetState, "/r/inference_bridge/get_state", request).current_state
    assert state.id == State.PRIMARY_STATE_UNCONFIGURED
    rig.run()
    rig.expect([0.5], [2.0])


def test_a_node_that_could_not_activate_can_be_tried_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    footprint = Footprint(rig)
    live(rig, 1)
    before = footprint.now()

    def fail(*_: Any) -> None:
        raise RuntimeError("no more threads")

    rig.change(Transition.TRANSITION_CONFIGURE)
    with monkeypatch.context() as broken:
        broken.setattr("inferential_ros.bridge.bridge_core.BridgeCore.start", fail)
        with pytest.raises(AssertionError):
            rig.change(Transition.TRANSITION_ACTIVATE)
    rig.change(Transition.TRANSITION_CLEANUP)
    footprint.settles_at(before)
    with monkeypatch.context() as broken:
        # the last thing it makes
        broken.setattr("inferential_ros.bridge.ros_interfaces.steady_clock", fail)
        with pytest.raises(AssertionError):
            rig.change(Transition.TRANSITION_CONFIGURE)
    footprint.settles_at(before)
    rig.run()
    rig.expect([0.5], [2.0])


def test_a_node_that_cannot_stop_is_taken_down_and_can_begin_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    footprint = Footprint(rig)
    live(rig, 1)
    before = footprint.now()

    def fail(*_: Any) -> None:
        raise RuntimeError("no way to stop")

    rig.change(Transition.TRANSITION_CONFIGURE)
    rig.change(Transition.TRANSITION_ACTIVATE)
    with monkeypatch.context() as broken:
        broken.setattr("inferential_ros.bridge.bridge_core.BridgeCore.end", fail)
        with pytest.raises(AssertionError):
            rig.change(Transition.TRANSITION_DEACTIVATE)
    request = GetState.Request()
    state = rig.graph.call(GetState, "/r/inference_bridge/get_state", request).current_state
    assert state.id == State.PRIMARY_STATE_UNCONFIGURED
    footprint.settles_at(before)
    rig.run()
    rig.expect([0.5], [2.0])


@pytest.fixture
def simulated(make_rig: Callable[..., Rig]) -> Rig:
    return make_rig(Parameter("use_sim_time", value=True))


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


@pytest.mark.parametrize("latched", [True, False], ids=["latched", "best-effort"])
def test_quality_of_service_is_that_of_the_publisher_where_the_contract_says_nothing(
    graph: Any, tmp_path: Path, latched: bool
) -> None:
    texts = "    task: {topic: task, type: std_msgs/msg/String}\n"
    rig = Rig(graph, tmp_path, changes={"  keys:\n": "  keys:\n" + texts})
    try:
        durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        reliability = ReliabilityPolicy.RELIABLE if latched else ReliabilityPolicy.BEST_EFFORT
        offered = QoSProfile(depth=1, durability=durability, reliability=reliability)
        task = graph.publisher(String, "/r/task", offered)
        task.publish(String(data="pick up the cube"))
        rig.change(Transition.TRANSITION_CONFIGURE)
        graph.matched(task)
        if not latched:
            task.publish(String(data="pick up the cube"))
        for _ in range(2):  # said once, it is valid in every life
            rig.change(Transition.TRANSITION_ACTIVATE)
            if not rig.seen:
                rig.graph.repeat((rig.state, rig.joints))
            rig.expect([0.5], [2.0])
            assert rig.seen[-1]["task"] == "pick up the cube"
            rig.change(Transition.TRANSITION_DEACTIVATE)
    finally:
        rig.server.stop()


def test_a_simulated_time_that_never_begins_is_told_again_and_again(
    simulated: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "REMIND_S", 0.0)
    monkeypatch.setattr(console, "CLOCK_S", 0.1)
    said: queue.Queue[str] = queue.Queue()
    # /rosout forgets a node once an earlier one of the same name in this process has ended.
    monkeypatch.setattr(simulated.bridge.get_logger(), "warning", said.put)
    simulated.run()
    told = "use_sim_time is set, but nothing comes on /clock"
    for _ in range(2):
        while not said.get(timeout=20.0).startswith(told):
            pass
