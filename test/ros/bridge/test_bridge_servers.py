"""A bridge that may ask two servers: its robot goes on when the first one ends."""

from __future__ import annotations

import random
import re
import shlex
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("pydantic", reason="the server side needs pydantic")

import rclpy
from bridge_rig import CONTRACT, GOOD, Rig
from inferential.msg import BridgeStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState

from inferential_core import LocalDispatcher, Server
from inferential_ros.lifecycle import ManagedNode
from inferential_ros.parameters import declare, texts

LONG = np.tile(np.float32([0.5, 2.0]), (100, 1))  # 2 s of actions


class Second:
    """The other server; `asked` counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: Any = LONG
        self.server = Server(
            bind="tcp://127.0.0.1:*", dispatcher=LocalDispatcher({"policy": self._infer})
        )
        self.server.start()

    def _infer(self, obs: dict[str, Any]) -> dict[str, Any]:
        self.asked += 1
        return {"actions": self.answer}


@pytest.fixture
def second() -> Iterator[Second]:
    second = Second()
    yield second
    second.server.stop()


def moved(rig: Rig, second: Second, mark: int) -> None:
    """The bridge asks the second server, and its robot never ran out of actions."""
    status = rig.status.wait(lambda m: m.server == second.server.address, mark)
    assert status.connected
    answered = status.ok
    rig.status.wait(lambda m: m.ok > answered, mark)
    since = rig.status.messages[mark:]
    assert {m.state for m in since} == {BridgeStatus.STATE_EXECUTING}
    rig.judge()


def test_a_robot_goes_on_at_the_second_server_when_the_first_one_is_gone(
    make_rig: Callable[..., Rig], second: Second
) -> None:
    rig = make_rig(server_seen_at=lambda first: f"{first},{second.server.address}")
    rig.answer = LONG
    rig.run()
    first = rig.until(BridgeStatus.STATE_EXECUTING)
    assert first.server == rig.server.address and not second.asked
    mark = rig.status.mark()
    rig.server.stop()
    moved(rig, second, mark)


def test_a_robot_leaves_a_server_that_drains_and_loses_nothing(
    make_rig: Callable[..., Rig], second: Second
) -> None:
    rig = make_rig(server_seen_at=lambda first: f"{first},{second.server.address}")
    rig.answer = LONG
    rig.run()
    rig.until(BridgeStatus.STATE_EXECUTING)
    mark = rig.status.mark()
    assert rig.server.drain(20.0)
    moved(rig, second, mark)
    rig.server.stop()
    last = rig.status.messages[-1]
    assert (last.lost, last.dropped, last.rejected) == (0, 0, 0)
    assert rig.server.status()["dropped"] == 0


def test_the_servers_may_be_given_as_a_list(make_rig: Callable[..., Rig], second: Second) -> None:
    nobody = "tcp://127.0.0.1:1"
    rig = make_rig(Parameter("server", value=[nobody, second.server.address]))
    rig.answer = GOOD
    rig.run()
    assert rig.until(BridgeStatus.STATE_EXECUTING).server == second.server.address


def test_the_command_lines_of_the_documentation_name_both_servers() -> None:
    text = (Path(__file__).parents[3] / "docs/failover.md").read_text(encoding="utf-8")
    [row] = [line for line in text.splitlines() if line.startswith("| bridge node |")]
    lines = re.findall("`(.*?)`", row)
    assert len(lines) == 2
    for line in lines:
        context = rclpy.Context()
        rclpy.init(args=["--ros-args", *shlex.split(line)], context=context)
        node = ManagedNode("bridge", context=context)
        try:
            declare(node, "server", "", "", fixed=False, any_type=True)
            assert ",".join(texts(node, "server")) == "tcp://a:5555,tcp://b:5555"
        finally:
            node.destroy_node()
            rclpy.shutdown(context=context)


def test_an_episode_that_must_not_move_stops_until_it_is_reset(
    make_rig: Callable[..., Rig], second: Second
) -> None:
    rig = make_rig(
        server_seen_at=lambda first: f"{first},{second.server.address}",
        changes={"{id: policy,": "{id: policy, stateful_failover: refuse,"},
    )
    rig.run()
    rig.until(BridgeStatus.STATE_EXECUTING)
    mark = rig.status.mark()
    rig.server.stop()
    stopped = rig.until(BridgeStatus.STATE_FALLBACK, mark)
    assert not second.asked and not stopped.connected
    mark = rig.status.mark()
    assert rig.call("reset").success
    running = rig.until(BridgeStatus.STATE_EXECUTING, mark)
    assert running.server == second.server.address and second.asked


def test_a_move_is_told_once(
    graph: Any, start: Callable[..., Any], second: Second, tmp_path: Path
) -> None:
    asked, done = threading.Event(), threading.Event()

    def keep(obs: dict[str, Any]) -> dict[str, Any]:
        asked.set()
        done.wait()  # so that an observation is lost with its server
        return {"actions": LONG}

    first = Server("tcp://127.0.0.1:*", dispatcher=LocalDispatcher({"policy": keep}))
    first.start()
    contract = tmp_path / "contract.yaml"
    contract.write_text(CONTRACT)
    joints = JointState(name=["gripper", "arm"], position=[0.0, 0.0])
    graph.repeat((graph.publisher(JointState, "/r/joint_states"), joints))
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    status = graph.inbox(BridgeStatus, "/r/bridge_status", latched)
    listed = f"{first.address},{second.server.address}"
    bridge = start("inferential_ros.bridge_node", "r", contract_file=str(contract), server=listed)
    try:
        assert asked.wait(20.0)
        done.set()
        first.stop()
        status.wait(lambda m: m.server == second.server.address and m.ok)
        for _ in range(2):  # reports, with which the bridge tells what happened before
            status.wait(since=status.mark())
        status.wait(lambda m: m.state == BridgeStatus.STATE_EXECUTING)
    finally:
        done.set()
        bridge.stop()
    told = [line for line in bridge.text().splitlines() if "goes from" in line]
    assert len(told) == 1 and "[WARN]" in told[0], told


def test_lifecycle_requests_at_any_moment_while_servers_come_and_go(
    make_rig: Callable[..., Rig], second: Second
) -> None:
    """In an order of chance, most of which do not fit the state: the bridge works afterwards."""
    chance = random.Random(21)
    rig = make_rig(server_seen_at=lambda first: f"{first},{second.server.address}")
    rig.run()
    rig.until(BridgeStatus.STATE_EXECUTING)

    def request(transition: int) -> None:
        question = ChangeState.Request(transition=Transition(id=transition))
        rig.graph.call(ChangeState, "/r/inference_bridge/change_state", question)

    asked = [
        Transition.TRANSITION_CONFIGURE,
        Transition.TRANSITION_ACTIVATE,
        Transition.TRANSITION_DEACTIVATE,
        Transition.TRANSITION_CLEANUP,
    ]
    running = {each.address: each for each in (rig.server, second.server)}
    with ExitStack() as stack:

        def serve(address: str) -> Server:
            dispatcher = LocalDispatcher({"policy": lambda obs: {"actions": GOOD}})
            return stack.enter_context(Server(bind=address, dispatcher=dispatcher))

        for turn in range(40):
            address = chance.choice(list(running))
            if not running[address].running:
                running[address] = serve(address)
            elif turn % 4 == 0:
                running[address].drain(0.1)
                running[address].stop()
            request(chance.choice(asked))
        for address, server in running.items():
            if not server.running:
                serve(address)
        request(Transition.TRANSITION_DEACTIVATE)
        request(Transition.TRANSITION_CLEANUP)  # whichever of them fits: it is unconfigured then
        rig.change(Transition.TRANSITION_CONFIGURE)
        rig.change(Transition.TRANSITION_ACTIVATE)
        rig.until(BridgeStatus.STATE_EXECUTING, rig.status.mark())
        rig.expect([0.5], [2.0])
