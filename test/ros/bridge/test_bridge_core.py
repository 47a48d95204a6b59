"""A bridge and a real server; the robot is a RobotIo that keeps what is published."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")
pytest.importorskip("pydantic", reason="the server side needs pydantic")

from sensor_msgs.msg import JointState

from inferential_core import LocalDispatcher, Reply, Server, Status
from inferential_ros.bridge.bridge_core import BridgeCore
from inferential_ros.bridge.server_link import Observation
from inferential_ros.contract.loading import parse_contract
from inferential_ros.execution.executor import Tick
from inferential_ros.execution.plan import Plan
from inferential_ros.options.yaml_file import parse_yaml

WAIT_S = 20.0
CONTRACT = """
model: {id: policy, supersede: false}
observation:
  trigger: {on: state}
  keys:
    state: {topic: state, type: sensor_msgs/msg/JointState, joints: [a]}
action:
  names: [a]
  rate_hz: 50
  outputs: [{topic: out, type: std_msgs/msg/Float64MultiArray, kind: position}]
"""


class Robot:
    """A RobotIo that keeps the plans."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.changed = threading.Condition()

    def now_ns(self) -> int:
        return time.time_ns()

    def steady_s(self) -> float:
        return time.monotonic()

    def publish_actions(self, tick: Tick) -> None:
        pass

    def publish_chunk(self, plan: Plan) -> None:
        with self.changed:
            self.plans.append(plan)
            self.changed.notify_all()

    def publish_pending_chunk(self, plan_ahead: Callable[[], Plan | None]) -> None:
        pass

    def publish_executed_chunk(self, plan: Plan) -> None:
        pass

    def wants_executed_chunks(self) -> bool:
        return False

    def publish_state(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def wait(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, WAIT_S)


class Model:
    """Answers when the test lets it, and keeps what it saw."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        self.may_answer = threading.Event()

    def __call__(self, obs: dict[str, Any]) -> dict[str, Any]:
        self.seen.append(float(obs["state"][0]))
        assert self.may_answer.wait(WAIT_S)
        return {"actions": np.zeros((100, 1), np.float32)}


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def robot() -> Robot:
    return Robot()


@pytest.fixture
def bridge(model: Model, robot: Robot) -> Iterator[BridgeCore]:
    with Server(bind="tcp://127.0.0.1:*", dispatcher=LocalDispatcher({"policy": model})) as server:
        bridge = BridgeCore(parse_contract(parse_yaml(CONTRACT)), server.address, "r", robot)
        bridge.start()
        try:
            robot.wait(lambda: bridge.link.connected)
            yield bridge
        finally:
            model.may_answer.set()
            bridge.stop()


def state(value: float) -> JointState:
    return JointState(name=["a"], position=[value])


def test_a_sample_that_comes_while_an_observation_is_being_made_waits_for_its_answer(
    bridge: BridgeCore, robot: Robot, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    making, go_on = threading.Event(), threading.Event()
    assemble = bridge.inputs.assemble

    def slow_assemble(samples: Any, now_ns: int) -> Any:
        making.set()
        assert go_on.wait(WAIT_S)
        return assemble(samples, now_ns)

    on_sent, due_then, sent = bridge.on_sent, [], threading.Event()

    def watched_on_sent() -> None:
        on_sent()
        due_then.append(bridge.observation_due)
        sent.set()

    monkeypatch.setattr(bridge.inputs, "assemble", slow_assemble)
    monkeypatch.setattr(bridge, "on_sent", watched_on_sent)
    bridge.store(0, state(1.0))
    assert making.wait(WAIT_S)
    bridge.store(0, state(2.0))  # nothing is on its way yet, so this one seems to be due
    assert bridge.observation_due
    go_on.set()
    assert sent.wait(WAIT_S) and due_then == [False]
    model.may_answer.set()
    robot.wait(lambda: len(robot.plans) == 2)
    assert model.seen == [1.0, 2.0]


def test_a_sample_from_before_a_pause_is_not_sent_after_it(
    bridge: BridgeCore, robot: Robot, model: Model
) -> None:
    model.may_answer.set()
    with bridge.lock:  # so that the network thread cannot send it before the pause
        bridge.store(0, state(1.0))
        assert bridge.observation_due
        bridge.pause()
        bridge.resume()
        assert not bridge.observation_due
    bridge.store(0, state(2.0))
    robot.wait(lambda: len(robot.plans) == 1)
    assert model.seen == [2.0]


def test_what_a_server_that_is_left_did_not_answer_is_told_with_the_move(
    bridge: BridgeCore,
) -> None:
    why = "this client goes from tcp://a:1 to tcp://b:1: the link went down"
    bridge.on_moved("tcp://b:1", why)
    asked = Observation({}, stamp_ns=0, generation=-1, epoch=0)
    for number, reason in enumerate((why, why, "no answer came within 900 ms")):
        bridge.on_reply(asked, Reply(number, "policy", Status.LOST, 0.0, 0.0, error=reason))
    told = bridge.failures.lines_to_tell(time.monotonic())
    assert told == [why, "lost: no answer came within 900 ms"]
    assert bridge.statistics.replies[Status.LOST] == 3
