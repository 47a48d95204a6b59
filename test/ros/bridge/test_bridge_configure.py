"""A contract that does not fit stops the bridge at configure, with the path of the wrong key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")

from inferential.msg import BridgeStatus, ServerStatus
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Log
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage, Imu, JointState
from std_msgs.msg import Float64, Float64MultiArray

LATCHED = QoSProfile(depth=50, durability=DurabilityPolicy.TRANSIENT_LOCAL)
LONG_S = 60.0  # ends as soon as something is found
ERROR = 40  # Log.ERROR, which rclpy gives as bytes
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


def test_a_server_that_is_no_address_is_told(bridge: Callable[..., Any]) -> None:
    process = bridge(server="gpu-box")
    assert process.wait() == 1
    assert "on_configure: " in process.text() and "gpu-box" in process.text()
    assert "Traceback" not in process.text()


def test_a_joint_the_robot_does_not_have_is_found_at_configure(
    graph: Any, bridge: Callable[..., Any]
) -> None:
    message = JointState(name=["shoulder", "elbow", "wirst"], position=[0.0] * 3)
    graph.repeat((graph.publisher(JointState, "/r/joint_states"), message))
    process = bridge(sample_timeout=LONG_S)
    assert process.wait() == 1
    told = "observation.keys.state.joints[2]: no joint 'wrist' in the message"
    assert told in process.text() and "did you mean 'wirst'?" in process.text()


def test_a_field_the_robot_does_not_fill_is_found_at_configure(
    graph: Any, bridge: Callable[..., Any]
) -> None:
    message = JointState(name=["shoulder", "elbow", "wrist"], position=[0.0] * 3)
    graph.repeat((graph.publisher(JointState, "/r/joint_states"), message))
    process = bridge(("joints:", "fields: [velocity]\n      joints:"), sample_timeout=LONG_S)
    assert process.wait() == 1
    assert "observation.keys.state.fields[0]: the message has 0 values" in process.text()


def test_a_topic_of_another_type_is_found_at_configure(
    graph: Any, bridge: Callable[..., Any]
) -> None:
    graph.publisher(Imu, "/r/joint_states")
    process = bridge(sample_timeout=LONG_S)
    assert process.wait() == 1
    told = "observation.keys.state.type: /r/joint_states is published as sensor_msgs/msg/Imu"
    assert told in process.text()


def test_a_controller_of_another_type_is_found_at_configure(
    graph: Any, bridge: Callable[..., Any]
) -> None:
    graph.inbox(Float64, "/r/commands")
    process = bridge(sample_timeout=LONG_S)
    assert process.wait() == 1
    assert "action.outputs[0].type: /r/commands is subscribed to as std_msgs/msg/Float64" in (
        process.text()
    )


def test_a_topic_that_nobody_publishes_is_told_with_the_nearest_one(
    graph: Any, bridge: Callable[..., Any]
) -> None:
    log = graph.inbox(Log, "/rosout", LATCHED)
    graph.publisher(JointState, "/r/joint_states")
    process = bridge(("joint_states", "joint_state"), sample_timeout=0.2)
    # Again and again, so once the publisher has been discovered.
    told = "observation.keys.state: nobody publishes 'joint_state' yet; did you mean"
    log.wait(lambda m: f"{told} 'joint_states'?" in m.msg)
    said = process.text()
    assert "observation.keys.state: not checked: nobody publishes 'joint_state' yet" in said
    assert "action.outputs[0]: nobody subscribes to 'commands' yet" in said


def test_a_command_topic_that_nobody_takes_is_told_again_with_the_nearest_one(
    graph: Any, bridge: Callable[..., Any]
) -> None:
    log = graph.inbox(Log, "/rosout", LATCHED)
    graph.inbox(Float64MultiArray, "/r/comands")
    process = bridge(sample_timeout=0.2)
    told = "action.outputs[0]: nobody subscribes to 'commands' yet; did you mean 'comands'?"
    log.wait(lambda m: m.msg == told)
    assert "action.outputs[0]: nobody subscribes to 'commands' yet" in process.text()


def test_a_bridge_that_is_still_looking_at_its_robot_obeys_a_signal(
    graph: Any, bridge: Callable[..., Any]
) -> None:
    publisher = graph.publisher(JointState, "/r/joint_states")
    process = bridge(sample_timeout=60.0)
    graph.matched(publisher)  # by what listens while it is configured
    assert process.stop() == 0
    assert "Traceback" not in process.text()


@pytest.mark.parametrize("kind", [JointState, Imu], ids=["joint", "type"])
def test_what_turns_out_not_to_fit_later_is_an_error_once(
    graph: Any, bridge: Callable[..., Any], kind: type[Any]
) -> None:
    states = graph.inbox(BridgeStatus, "/r/bridge_status", LATCHED)
    process = bridge(sample_timeout=0.0)
    states.wait()
    log = graph.inbox(Log, "/rosout", LATCHED)
    message = Imu() if kind is Imu else JointState(name=["elbow"], position=[0.0])
    graph.repeat((graph.publisher(kind, "/r/joint_states"), message))
    path = "observation.keys.state." + ("type" if kind is Imu else "joints[0]")
    log.wait(lambda m: m.level == ERROR and path in m.msg)
    for _ in range(2):
        states.wait(since=states.mark())
    assert process.text().count(f"[ERROR] {path}") <= 1
    assert len([m for m in log.messages if m.level == ERROR and path in m.msg]) == 1


def test_a_managed_node_stays_unconfigured_and_can_be_configured_once_the_robot_fits(
    graph: Any, bridge: Callable[..., Any]
) -> None:
    message = JointState(name=["shoulder", "elbow", "hand"], position=[0.0] * 3)
    graph.inbox(Float64MultiArray, "/r/commands")
    graph.publisher(CompressedImage, "/r/unrelated")
    graph.repeat((graph.publisher(JointState, "/r/joint_states"), message))
    process = bridge(autostart=False, sample_timeout=LONG_S)

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


def test_a_contract_that_its_model_contradicts_ends_the_node(
    start: Callable[..., Any], bridge: Callable[..., Any], graph: Any, address: str
) -> None:
    reports = graph.inbox(ServerStatus, "/server_status", LATCHED)
    start("inferential_ros.server_node", bind=address, models=["policy:=robot_models:Picky"])
    reports.wait()
    process = bridge(server=address, sample_timeout=1.0)
    assert process.wait() == 1
    told = "observation.keys.state: shape [3], the model takes [2]"
    assert told in process.text() and "Traceback" not in process.text()
