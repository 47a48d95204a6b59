"""From an answer to a plan: parts side by side, and columns relative to the state observed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from sensor_msgs.msg import JointState

from inferential_core import Reply, Status
from inferential_ros.bridge.inputs import Inputs
from inferential_ros.bridge.options import make_executor
from inferential_ros.bridge.plans import left_over_values, make_plan
from inferential_ros.bridge.server_link import Observation
from inferential_ros.contract.loading import parse_contract
from inferential_ros.contract.schema import Contract
from inferential_ros.execution.plan import PlanRefused
from inferential_ros.options.errors import ContractError

JOINTS = {"topic": "t", "type": "sensor_msgs/msg/JointState", "joints": ["b", "a"]}
POSE = {"topic": "p", "type": "geometry_msgs/msg/PoseStamped"}
OUT = {"topic": "cmd", "type": "std_msgs/msg/Float64MultiArray", "kind": "position"}


def contract(
    keys: dict[str, Any], names: tuple[str, ...] = ("a", "b"), output: Any = None, **action: Any
) -> Contract:
    outputs = [{**OUT, **(output or {})}]
    return parse_contract(
        {
            "model": {"id": "policy"},
            "observation": {"keys": keys},
            "action": {"names": list(names), "rate_hz": 10, "outputs": outputs, **action},
        }
    )


def plan_of(made: Contract, result: Any, observed: Any = None) -> np.ndarray:
    reply = Reply(1, "policy", Status.OK, 0.0, 0.0, result=result)
    return make_plan(made.action, Observation(observed or {}, 0, 0, 0), reply).actions


# --- parts ---


def test_parts_of_an_answer_are_columns_side_by_side() -> None:
    made = contract({"s": JOINTS}, ("x", "y", "g"), parts=["action.arm", "action.gripper"])
    arm, gripper = np.arange(8.0).reshape(4, 2), np.array([0.0, 1.0, 0.0, 1.0])
    found = plan_of(made, {"action.gripper": gripper, "action.arm": arm, "value": arm})
    assert found.tolist() == [[0, 1, 0], [2, 3, 1], [4, 5, 0], [6, 7, 1]]
    nested = contract({"s": JOINTS}, key="action", parts=["arm"])
    assert plan_of(nested, {"action.arm": arm}).shape == (4, 2)


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({"arm": np.zeros((4, 1))}, "holds no 'gripper', but: arm"),
        (
            {"arm": np.zeros((4, 1)), "gripper": np.zeros((3, 1))},
            r"arm \(4, 1\), gripper \(3, 1\)",
        ),
        ({"arm": np.zeros((1, 4, 1)), "gripper": np.zeros((1, 4, 1))}, "not .H, n. with one H"),
    ],
)
def test_parts_that_do_not_fit_refuse_the_plan(result: Any, told: str) -> None:
    with pytest.raises(PlanRefused, match=told):
        plan_of(contract({"s": JOINTS}, parts=["arm", "gripper"]), result)


# --- relative ---


def observed(made: Contract, *messages: Any) -> dict[str, Any]:
    inputs = Inputs(made)
    for index, message in enumerate(messages):
        message.header.stamp.sec = 1
        inputs.store(index, message, 10**9)
    return inputs.assemble(inputs.take(10**9), 10**9)[0]


def test_relative_columns_count_from_the_joints_of_their_own_observation() -> None:
    made = contract({"s": JOINTS}, relative=["a"])
    values = observed(made, JointState(name=["a", "b"], position=[0.5, 7.0]))
    found = plan_of(made, {"actions": np.float32([[0.25, 0.25], [-0.5, 0.5]])}, values)
    assert found.tolist() == [[0.75, 0.25], [0.0, 0.5]]


def test_the_state_is_converted_to_the_units_of_the_action() -> None:
    """The model sees degrees, and gives millimetres and thousandths that are offset by one."""
    keys = {
        "s": {**JOINTS, "unit": "deg", "offset": {"a": 3.0}, "fields": ["velocity", "position"]}
    }
    output = {"scale": {"a": 0.001}, "offset": {"a": 1.0}}
    made = contract(keys, output=output, relative=["a"])
    values = observed(made, JointState(name=["a", "b"], position=[0.5, 7.0], velocity=[0.0, 0.0]))
    found = plan_of(made, {"actions": np.array([[20.0, 0.0]])}, values)
    message = made.action.outputs[0].encode(found[0])
    assert message.data[0] == pytest.approx(0.52, abs=1e-6)  # 0.5 rad and 20 thousandths


def test_an_element_may_be_named() -> None:
    pytest.importorskip("geometry_msgs.msg")
    from geometry_msgs.msg import PoseStamped

    keys = {"s": JOINTS, "tool": POSE}
    made = contract(keys, relative={"a": "tool.pose.position.z", "b": "s.a"})
    pose = PoseStamped()
    pose.pose.position.z = 2.0
    values = observed(made, JointState(name=["a", "b"], position=[0.5, 7.0]), pose)
    assert plan_of(made, {"actions": np.zeros((1, 2))}, values).tolist() == [[2.0, 0.5]]


def test_what_a_model_is_told_is_left_is_relative_again() -> None:
    made = contract({"s": JOINTS}, relative=["a"], mode="rtc")
    executor = make_executor(made)
    reply = Reply(1, "policy", Status.OK, 0.0, 0.0, result={"actions": np.ones((4, 2))})
    executor.accept(make_plan(made.action, Observation({"s": [0, 2.0]}, 0, 0, 0), reply), 0)
    told = left_over_values(made.action, executor, 0, {"s": np.array([0.0, 2.5])})
    assert told["prev_chunk_left_over"][0].tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("keys", "action", "path", "told"),
    [
        ({"s": JOINTS}, {"relative": ["c"]}, "relative[0]", "no action 'c'"),
        (
            {"s": {**JOINTS, "joints": ["b"]}},
            {"relative": ["a"]},
            "relative[0]",
            "no key of the observation has an element 'a'",
        ),
        (
            {"s": {**JOINTS, "fields": ["velocity"]}},
            {"relative": ["a"]},
            "relative[0]",
            "no key of the observation has an element 'a'",
        ),
        (
            {"s": JOINTS, "t": JOINTS},
            {"relative": ["a"]},
            "relative[0]",
            "write {a: s.a, a: t.a}, one of them",
        ),
        ({"s": JOINTS}, {"relative": {"a": "s.c"}}, "relative.a", "did you mean"),
        ({"s": JOINTS}, {"relative": ["a"], "discrete": ["a"]}, "relative[0]", "discrete"),
    ],
)
def test_what_columns_cannot_be_relative_to_is_named(
    keys: Any, action: Any, path: str, told: str
) -> None:
    with pytest.raises(ContractError) as caught:
        contract(keys, **action)
    assert caught.value.path == f"action.{path}" and told in caught.value.problem
