"""Outputs that are actions of ROS, commanded by a bridge and taken by real action servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here")
pytest.importorskip("control_msgs.action", reason="control_msgs is not built: make peers")

from bridge_rig import OUTPUTS
from control_msgs import action as actions
from inferential.msg import BridgeStatus
from lifecycle_msgs.msg import Transition
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.task import Future

from inferential_ros.contract.loading import parse_contract
from inferential_ros.options.errors import ContractError

ARM = """
    - topic: arm_controller/follow_joint_trajectory
      type: control_msgs/action/FollowJointTrajectory
      select: [arm]
      limits: [-1, 1]
"""
GRIPPER = """
    - topic: gripper/gripper_cmd
      type: control_msgs/action/GripperCommand
      select: [gripper]
      threshold: 0.05
      max_effort: 12.0
"""


class Robot:
    """An action server that holds every goal until it is replaced, cancelled or ended."""

    def __init__(self, graph: Any, kind: Any, name: str) -> None:
        self.goals, self.cancelled = graph.mailbox(), graph.mailbox()
        self.accepts, self._silent = True, False
        self._current: Any = None
        self._graph, self._kind = graph, kind
        self.server = ActionServer(
            graph.node,
            kind,
            name,
            self._execute,
            goal_callback=self._decide,
            cancel_callback=self._cancel,
        )
        graph.executor.wake()

    def _decide(self, goal: Any) -> GoalResponse:
        if not self.accepts:
            self.goals.put(goal)
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _cancel(self, handle: Any) -> CancelResponse:
        self.cancelled.put(handle.request)
        if self._current is not None:
            self._current.set_result("cancelled")
        return CancelResponse.ACCEPT

    async def _execute(self, handle: Any) -> Any:
        self.goals.put(handle.request)
        if self._current is not None and not self._current.done():
            self._current.set_result("replaced")
        self._current = mine = Future(executor=self._graph.executor)
        ended = await mine
        if ended == "cancelled":
            handle.canceled()
        elif ended == "done":
            handle.succeed()
        else:
            handle.abort()
        return self._kind.Result()

    def silence(self) -> None:
        """Stay known to others, and answer nothing."""
        self._graph.node.remove_waitable(self.server)
        self._silent = True

    def end(self, how: str) -> None:
        self._current.set_result(how)
        self._graph.executor.wake()

    def close(self) -> None:
        if self._current is not None and not self._current.done():
            self._current.set_result("replaced")
        if self._silent:
            self._graph.node.add_waitable(self.server)
        self.server.destroy()
        self._graph.executor.wake()


@pytest.fixture
def robot(graph: Any) -> Iterator[Callable[..., Robot]]:
    made: list[Robot] = []

    def make(kind: Any, name: str) -> Robot:
        made.append(Robot(graph, kind, name))
        return made[-1]

    yield make
    for each in made:
        each.close()


def seconds(duration: Any) -> float:
    return duration.sec + duration.nanosec / 1e9


def test_a_plan_is_one_goal_that_the_next_plan_replaces(make_rig: Any, robot: Any) -> None:
    arm = robot(actions.FollowJointTrajectory, "/r/arm_controller/follow_joint_trajectory")
    rig = make_rig(trigger="{rate_hz: 10}", changes={OUTPUTS: ARM})
    rig.answer = np.linspace([0.0, 0.0], [2.0, 2.0], 50, dtype=np.float32)  # a second
    rig.run()
    first = arm.goals.wait().trajectory
    assert first.joint_names == ["arm"] and first.header.stamp.sec == 0
    times = [seconds(point.time_from_start) for point in first.points]
    assert 40 <= len(times) <= 50 and np.diff(times) == pytest.approx(0.02, abs=1e-6)
    assert 0.0 < times[0] <= 0.02
    positions = np.array([point.positions[0] for point in first.points])
    expected = np.clip(np.linspace(0.0, 2.0, 50)[-len(times) :], -1.0, 1.0)
    assert positions == pytest.approx(expected, abs=1e-6)
    arm.goals.wait(since=3)  # replaced before it ended, without a cancel
    assert not arm.cancelled.messages


def test_the_points_of_a_goal_are_no_further_apart_than_a_step(make_rig: Any, robot: Any) -> None:
    arm = robot(actions.FollowJointTrajectory, "/r/arm_controller/follow_joint_trajectory")
    stepped = ARM + "      max_step: 0.01\n"  # a tick; a step of the plan takes two of them
    changes = {OUTPUTS: stepped, "rate_hz: 50": "rate_hz: 50\n  control_rate_hz: 100"}
    rig = make_rig(trigger="{rate_hz: 10}", changes=changes)
    rig.answer = np.zeros((50, 2), np.float32)
    rig.run()
    arm.goals.wait()
    rig.answer = np.ones((50, 2), np.float32)
    goal = arm.goals.wait(lambda g: g.trajectory.points[-1].positions[0] > 0.0)
    positions = np.array([point.positions[0] for point in goal.trajectory.points])
    assert np.diff(positions) == pytest.approx(np.full(len(positions) - 1, 0.02), abs=1e-6)
    assert positions[0] <= 0.03 + 1e-6  # a tick as it came, and one step


def test_what_runs_out_or_is_stopped_is_cancelled(make_rig: Any, robot: Any) -> None:
    arm = robot(actions.FollowJointTrajectory, "/r/arm_controller/follow_joint_trajectory")
    rig = make_rig(trigger="{rate_hz: 10}", changes={OUTPUTS: ARM})
    rig.answer = np.zeros((50, 2), np.float32)
    rig.run()
    arm.goals.wait()
    assert rig.call("pause").success
    arm.cancelled.wait()
    goals = arm.goals.mark()
    assert rig.call("resume").success
    arm.goals.wait(since=goals)
    rig.open.clear()  # the model hangs: the plan runs out
    cancels = arm.cancelled.mark()
    rig.until(BridgeStatus.STATE_FALLBACK, rig.status.mark())
    arm.cancelled.wait(since=cancels)
    goals = arm.goals.mark()
    rig.open.set()
    arm.goals.wait(since=goals)
    cancels = arm.cancelled.mark()
    rig.change(Transition.TRANSITION_DEACTIVATE)
    arm.cancelled.wait(since=cancels)


def test_a_gripper_is_told_when_its_position_changes(make_rig: Any, robot: Any) -> None:
    gripper = robot(actions.GripperCommand, "/r/gripper/gripper_cmd")
    rig = make_rig(changes={OUTPUTS: GRIPPER})
    rig.answer = lambda obs: np.tile(np.float32([0.0, 0.04 * (len(rig.seen) % 2)]), (10, 1))
    rig.run()
    goal = gripper.goals.wait()
    assert goal.command.max_effort == 12.0
    rig.executed.wait(since=20)
    assert len(gripper.goals.messages) == 1, "a change below the threshold is none"
    rig.answer = np.tile(np.float32([0.0, 0.5]), (10, 1))
    assert gripper.goals.wait(since=1).command.position == 0.5


def test_both_fingers_of_a_parallel_gripper_are_named(make_rig: Any, robot: Any) -> None:
    gripper = robot(actions.ParallelGripperCommand, "/r/gripper/gripper_cmd")
    output = GRIPPER.replace("GripperCommand", "ParallelGripperCommand").replace(
        "max_effort: 12.0", "max_velocity: 0.1\n      joints: [finger]"
    )
    rig = make_rig(changes={OUTPUTS: output})
    rig.answer = np.tile(np.float32([0.0, 0.5]), (10, 1))
    rig.run()
    command = gripper.goals.wait().command
    assert (command.name, list(command.position)) == (["finger"], [0.5])
    assert list(command.velocity) == [0.1] and not command.effort


def told(rig: Any, text: str) -> None:
    """Wait until the diagnostics of an output tell this, as an error."""
    rig.diagnostics.wait(lambda m: any(text in s.message and s.level == b"\x02" for s in m.status))


def test_a_goal_that_is_refused_is_told_and_tried_again(make_rig: Any, robot: Any) -> None:
    gripper = robot(actions.GripperCommand, "/r/gripper/gripper_cmd")
    gripper.accepts = False
    rig = make_rig(changes={OUTPUTS: GRIPPER})
    rig.answer = np.tile(np.float32([0.0, 0.5]), (10, 1))
    rig.run()
    told(rig, "/r/gripper/gripper_cmd refused the goal")
    gripper.accepts = True
    gripper.goals.wait(since=gripper.goals.mark())
    rig.diagnostics.wait(
        lambda m: any(
            "output gripper/gripper_cmd" in s.name and s.level == b"\x00" for s in m.status
        )
    )


def test_a_goal_that_the_robot_gives_up_is_told(make_rig: Any, robot: Any) -> None:
    gripper = robot(actions.GripperCommand, "/r/gripper/gripper_cmd")
    rig = make_rig(changes={OUTPUTS: GRIPPER})
    rig.answer = np.tile(np.float32([0.0, 0.5]), (10, 1))
    rig.run()
    gripper.goals.wait()
    gripper.end("aborted")
    told(rig, "/r/gripper/gripper_cmd aborted the goal")


def test_a_server_that_does_not_answer_is_told(make_rig: Any, robot: Any) -> None:
    gripper = robot(actions.GripperCommand, "/r/gripper/gripper_cmd")
    gripper.silence()
    rig = make_rig(changes={OUTPUTS: GRIPPER})
    rig.answer = np.tile(np.float32([0.0, 0.5]), (10, 1))
    rig.run()
    told(rig, "/r/gripper/gripper_cmd does not answer")


def test_an_action_without_a_server_is_told(make_rig: Any) -> None:
    rig = make_rig(changes={OUTPUTS: GRIPPER})
    rig.answer = np.tile(np.float32([0.0, 0.5]), (10, 1))
    rig.run()
    told(rig, "there is no action server /r/gripper/gripper_cmd")


@pytest.mark.parametrize(
    ("output", "path", "problem"),
    [
        ({"type": "control_msgs/action/GriperCommand"}, "type", "did you mean 'GripperCommand'"),
        ({"type": "control_msgs/action/GripperCommand"}, "select", "one position, not 2 actions"),
        ({"select": ["a"], "qos": "sensor"}, "qos", "is for topics"),
        (
            {"type": "control_msgs/action/FollowJointTrajectory", "fallback": "zeros"},
            "fallback",
            "hold is all it can do",
        ),
        (
            {"type": "control_msgs/action/FollowJointTrajectory", "threshold": 0.1},
            "threshold",
            "whose goal is one position",
        ),
    ],
)
def test_what_an_action_cannot_be_is_named(output: Any, path: str, problem: str) -> None:
    given = {"topic": "g", "type": "control_msgs/action/GripperCommand", **output}
    state = {"topic": "t", "type": "sensor_msgs/msg/JointState", "joints": ["a"]}
    with pytest.raises(ContractError) as caught:
        parse_contract(
            {
                "model": {"id": "policy"},
                "observation": {"keys": {"s": state}},
                "action": {"names": ["a", "b"], "rate_hz": 10, "outputs": [given]},
            }
        )
    assert caught.value.path == f"action.outputs[0].{path}" and problem in caught.value.problem
