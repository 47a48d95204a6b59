"""A contract that does not fit stops the bridge at configure, with the path of the wrong key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from sensor_msgs.msg import CompressedImage, Imu, JointState
from std_msgs.msg import Float64, Float64MultiArray

BRIDGE = "inferential_ros.bridge_node"
CONTRACT = """
robot: arm
model: {id: policy}
observation:
  trigger: {on: state}
  keys:
    state:
      topic: joint_states
      type: sensor_msgs/msg/JointState
      joints: [shoulder, elbow, wrist]
action:
  names: [shoulder]
  rate_hz: 50
  outputs:
    - {topic: commands, type: std_msgs/msg/Float64MultiArray, kind: effort}
"""


@pytest.fixture
def bridge(start: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Starts a bridge in namespace r with the contract after some replacements."""

    def begin(*changes: tuple[str, str], **parameters: Any) -> Any:
        text = CONTRACT
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "contract.yaml"
        path.write_text(text)
        return start(BRIDGE, "r", contract_file=str(path), **parameters)

    return begin


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("elbow, wrist", "elbow, elbow"), "observation.keys.state.joints[2]: 'elbow' is named"),
        (("JointState", "JointStates"), "observation.keys.state.type: package sensor_msgs has no"),
        (("joints:", "fields: [torque]\n      joints:"), "observation.keys.state.fields[0]: "),
        (
            ("kind: effort", "kind: effort, fallbck: hold"),
            "action.outputs[0].fallbck: unknown key",
        ),
    ],
    ids=["joint", "type", "field", "key"],
)
def test_a_wrong_contract_ends_an_autostarted_node(
    bridge: Callable[..., Any], change: tuple[str, str], told: str
) -> None:
    process = bridge(change)
    assert process.wait() == 1
    assert told in process.text() and "Traceback" not in process.text()


def test_a_missing_contract_file_is_told(start: Callable[..., Any]) -> None:
    process = start(BRIDGE)
    assert process.wait() == 1 and "parameter contract_file is empty" in process.text()
    process = start(BRIDGE, contract_file="/nowhere/arm.yaml")
    assert process.wait() == 1 and "/nowhere/arm.yaml: cannot be read" in process.text()


def test_a_joint_the_robot_does_not_have_is_found_at_configure(
    graph: Any, bridge: Callable[..., Any]
) -> None:
    message = JointState(name=["shoulder", "elbow", "wirst"], position=[0.0] * 3)
    graph.repeat((graph.publisher(JointState, "/r/joint_states"), message))
    process = bridge(sample_timeout=20.0)
    assert process.wait() == 1
    told = "observation.keys.state.joints[2]: no joint 'wrist' in the message"
    assert told in process.text() and "did you mean 'wirst'?" in process.text()


def test_a_field_the_robot_does_not_fill_is_found_at_configure(
    graph: Any, bridge: Callable[..., Any]
) -> None:
    message = JointState(name=["shoulder", "elbow", "wrist"], position=[0.0] * 3)
    graph.repeat((graph.publisher(JointState, "/r/joint_states"), message))
    process = bridge(("joints:", "fields: [velocity]\n      joints:"), sample_timeout=20.0)
    assert process.wait() == 1
    assert "observation.keys.state.fields[0]: the message has 0 values" in process.text()


def test_a_topic_of_another_type_is_found_at_configure(
    graph: Any, bridge: Callable[..., Any]
) -> None:
    graph.publisher(Imu, "/r/joint_states")
    process = bridge(sample_timeout=5.0)
    assert process.wait() == 1
    told = "observation.keys.state.type: /r/joint_states is published as sensor_msgs/msg/Imu"
    assert told in process.text()


def test_a_controller_of_another_type_is_found_at_configure(
    graph: Any, bridge: Callable[..., Any]
) -> None:
    graph.inbox(Float64, "/r/commands")
    process = bridge(sample_timeout=5.0)
    assert process.wait() == 1
    assert "action.outputs[0].type: /r/commands is subscribed to as std_msgs/msg/Float64" in (
        process.text()
    )


def test_a_managed_node_stays_unconfigured_and_can_be_configured_once_the_robot_fits(
    graph: Any, bridge: Callable[..., Any]
) -> None:
    message = JointState(name=["shoulder", "elbow", "hand"], position=[0.0] * 3)
    graph.inbox(Float64MultiArray, "/r/commands")
    graph.publisher(CompressedImage, "/r/unrelated")
    graph.repeat((graph.publisher(JointState, "/r/joint_states"), message))
    process = bridge(autostart=False, sample_timeout=20.0)

    def configure() -> bool:
        request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
        service = "/r/inference_bridge/change_state"
        return graph.call(ChangeState, service, request).success

    def state() -> int:
        response = graph.call(GetState, "/r/inference_bridge/get_state", GetState.Request())
        return response.current_state.id

    assert not configure()
    assert state() == State.PRIMARY_STATE_UNCONFIGURED
    assert "observation.keys.state.joints[2]" in process.text()
    message.name = ["wrist", "elbow", "shoulder"]
    assert configure()
    assert state() == State.PRIMARY_STATE_INACTIVE
    assert process.stop() == 0
