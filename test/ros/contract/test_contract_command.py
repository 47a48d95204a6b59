"""`inferential contract`: what it says of a contract, and the ones it writes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from geometry_msgs.msg import Twist
from sensor_msgs.msg import CompressedImage, Image, Imu, JointState, PointCloud2
from std_msgs.msg import Float64MultiArray, String

from inferential_core import LocalDispatcher, Server
from inferential_core.cli import main
from inferential_ros.contract.draft import Seen, draft
from inferential_ros.contract.loading import parse_contract
from inferential_ros.contract.schema import Contract
from inferential_ros.options.yaml_file import parse_yaml

DATA = Path(os.environ.get("INFERENTIAL_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
BAGS = DATA / "g1_inspire_real_bag"
JOINTS = JointState(name=["a", "b"], position=[0.0, 1.0], velocity=[0.0, 0.0])
GRIPPER = JointState(name=["gripper"], position=[0.5])


def written(*seen: Seen, namespace: str = "") -> Contract:
    return parse_contract(parse_yaml(draft(seen, namespace)))


def test_help_answers_the_first_question(capsys: Any) -> None:
    for command in ("contract", "replay", "record"):
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0 and "usage: inferential" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["contract", "check", "--help"])
    assert "example: inferential contract check robot.yaml" in capsys.readouterr().out


def test_a_missing_reader_of_yaml_is_no_mistake_in_the_contract(
    capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ruamel.yaml", None)
    assert main(["contract", "check", "arm"]) == 1
    told = "inferential contract: reading YAML needs ruamel.yaml: pip install ruamel.yaml\n"
    assert capsys.readouterr().err == told


def test_check_says_in_words_what_a_contract_does(capsys: Any) -> None:
    assert main(["contract", "check", "arm"]) == 0
    out = capsys.readouterr().out
    assert "arm asks the model 'policy' when 50% of the chunk or less is left" in out
    assert "state: joint_states (sensor_msgs/msg/JointState), as float32 of 7" in out
    assert "holds the last target when actions run out" in out


def test_check_names_the_wrong_key_and_warns(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "robot.yaml"
    text = draft([Seen("/joint_states", "sensor_msgs/msg/JointState", sample=JOINTS)])
    path.write_text(text.replace("rate_hz:", "rate:"))
    assert main(["contract", "check", str(path)]) == 1
    line = 1 + text[: text.index("rate_hz:")].count("\n")
    told = f"{path}:{line}: action.rate: unknown key; did you mean 'rate_hz'?"
    assert told in capsys.readouterr().err
    path.write_text(text + "      fallback: zeros\n")
    assert main(["contract", "check", str(path)]) == 0
    assert "zero pose" in capsys.readouterr().err
    assert main(["contract", "check", "nowhere.yaml"]) == 1
    assert "nowhere.yaml: cannot be read" in capsys.readouterr().err


class Policy:
    specification = {"action_names": ["a", "b", "c"]}

    def infer(self, obs: dict[str, Any]) -> dict[str, Any]:
        return {"actions": np.zeros((2, 3))}


@pytest.mark.parametrize("named_by", ["option", "environment"])
def test_check_compares_with_the_model_of_a_server(
    named_by: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text(draft([Seen("/joint_states", "sensor_msgs/msg/JointState", sample=JOINTS)]))
    server = Server("tcp://127.0.0.1:*", dispatcher=LocalDispatcher({"policy": Policy()}))
    server.start()
    try:
        options = ["--server", server.address]
        if named_by == "environment":
            monkeypatch.setenv("INFERENTIAL_SERVER", server.address)
            options = []
        assert main(["contract", "check", str(path), *options]) == 1
    finally:
        server.stop()
    assert "action.names: the model's columns are a, b, c" in capsys.readouterr().err


CAMERA = """
model: {id: policy}
observation:
  keys:
    state: {topic: joint_states, type: sensor_msgs/msg/JointState, joints: [a, c]}
    camera: {topic: camera, type: sensor_msgs/msg/Image, encodings: [rgb8], send: jpeg}
action:
  names: [a, b]
  rate_hz: 50
  outputs: [{topic: comands, type: std_msgs/msg/Float64MultiArray, kind: position}]
"""


class Seeing(Policy):
    specification = {"observation": {"camera": {"dtype": "uint8", "shape": [224, 224, 3]}}}


def test_check_says_that_it_looked_at_neither_model_nor_robot(capsys: Any) -> None:
    assert main(["contract", "check", "arm"]) == 0
    out = capsys.readouterr().out
    assert "The model was not asked: --server ADDRESS compares" in out
    assert "The robot was not looked at: --robot compares" in out


def test_check_compares_with_the_robot_and_tells_all_that_is_wrong(
    graph: Any, tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text(CAMERA)
    image = Image(encoding="rgb8", height=4, width=6, step=18, data=bytes(72))
    joints, camera = (
        graph.publisher(JointState, "/r/joint_states"),
        graph.publisher(Image, "/r/camera"),
    )
    graph.repeat((joints, JOINTS), (camera, image))
    graph.inbox(Float64MultiArray, "/r/commands")
    server = Server("tcp://127.0.0.1:*", dispatcher=LocalDispatcher({"policy": Seeing()}))
    server.start()
    robot = ["contract", "check", str(path), "--robot", "--namespace", "/r", "--wait", "20"]
    wrong = [
        f"{path}:5: observation.keys.state.joints[1]: no joint 'c' in the message; there are a, b",
        f"{path}:6: observation.keys.camera: shape [4, 6, 3], the model takes [224, 224, 3]",
    ]
    try:
        for _ in range(10):  # discovery takes as long as it takes
            assert main([*robot, "--server", server.address]) == 1
            said = capsys.readouterr()
            if sorted(said.err.splitlines()) == wrong:
                break
    finally:
        server.stop()
    assert sorted(said.err.splitlines()) == wrong
    assert "camera (sensor_msgs/msg/Image), as uint8 of any x any x 3, channels last" in said.out

    path.write_text(CAMERA.replace("[a, c]", "[a, b]"))
    told = "action.outputs[0]: nobody subscribes to 'comands' yet; did you mean 'commands'?"
    for _ in range(10):  # discovery takes as long as it takes
        assert main([*robot[:-1], "2"]) == 1
        said = capsys.readouterr()
        assert "fit this contract" not in said.out
        if told in said.err:
            break
    assert told in said.err
    path.write_text(CAMERA.replace("[a, c]", "[a, b]").replace("comands", "commands"))
    assert main(robot) == 0
    assert "The robot's topics fit this contract." in capsys.readouterr().out


def test_a_robot_with_joints_cameras_and_a_controller() -> None:
    contract = written(
        Seen("/r1/joint_states", "sensor_msgs/msg/JointState", 1, 1, JOINTS, 200.0),
        Seen("/r1/front/image_raw", "sensor_msgs/msg/Image", sample=Image(encoding="bgr8")),
        Seen("/r1/wrist/image_raw", "sensor_msgs/msg/Image"),
        Seen("/r1/wrist/image_raw/compressed", "sensor_msgs/msg/CompressedImage", rate_hz=30.0),
        Seen("/r1/imu/data", "sensor_msgs/msg/Imu", rate_hz=100.0),
        Seen("/lidar/points", "sensor_msgs/msg/PointCloud2"),
        Seen("/r1/instruction", "std_msgs/msg/String", latched=True),
        Seen("/rosout", "rcl_interfaces/msg/Log"),
        Seen("/r1/action_chunk", "inferential/msg/ActionChunk"),
        Seen("/r1/odd", "odd_msgs/msg/Odd"),
        Seen("/r1/controller/commands", "std_msgs/msg/Float64MultiArray", 0, 1),
        namespace="/r1",
    )
    topics = {key.name: key.topic for key in contract.topics}
    assert topics == {
        "state": "joint_states",
        "front": "front/image_raw",
        "wrist": "wrist/image_raw/compressed",
        "imu": "imu/data",
        "lidar": "/lidar/points",
        "instruction": "instruction",
    }
    keys = {key.name: key for key in contract.topics}
    assert keys["state"].max_age_s == 0.1 and keys["wrist"].max_age_s == 0.2
    assert keys["instruction"].qos.transient_local
    assert contract.action.names == ("a", "b")
    (output,) = contract.action.outputs
    assert (output.topic, output.kind) == ("controller/commands", "position")


def test_a_driving_robot_gets_two_actions_and_an_arm_on_it_keeps_its_own() -> None:
    wheels = Seen("/cmd_vel", "geometry_msgs/msg/TwistStamped", 0, 1)
    contract = written(wheels, Seen("/joint_states", JOINT_STATE, sample=JOINTS))
    assert contract.action.names == ("linear_x", "angular_z")
    arm = Seen("/arm/joint_trajectory", "trajectory_msgs/msg/JointTrajectory", 0, 1)
    contract = written(wheels, arm, Seen("/joint_states", JOINT_STATE, sample=JOINTS))
    assert contract.action.names == ("a", "b", "linear_x", "angular_z")
    assert [output.names for output in contract.action.outputs] == [
        ("a", "b"),
        ("linear_x", "angular_z"),
    ]


JOINT_STATE = "sensor_msgs/msg/JointState"


def test_whatever_was_seen_what_is_written_loads() -> None:
    assert written().action.names == ("joint_1",)
    assert [key.name for key in written(Seen("/joint_states", JOINT_STATE)).topics] == ["state"]
    both = written(
        Seen("/left/joint_states", JOINT_STATE, sample=JOINTS),
        Seen("/right/joint_states", JOINT_STATE, sample=JOINTS),
    )
    assert [key.name for key in both.topics] == ["state", "state_2"]


@pytest.mark.skipif(
    not BAGS.is_dir(), reason=f"no recording at {BAGS} (set INFERENTIAL_TEST_DATA)"
)
@pytest.mark.parametrize("bag", ["episode_000029_mcap", "episode_000030_sqlite3"])
def test_a_contract_is_written_from_a_recording(bag: str, tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("rosbags.highlevel", reason="rosbags (PyPI) is not installed")
    path = tmp_path / "g1.yaml"
    arguments = ["contract", "new", "--bag", str(BAGS / bag), "--output", str(path)]
    assert main(arguments) == 0
    assert main(arguments) == 1 and "--force overwrites" in capsys.readouterr().err
    assert main([*arguments, "--force"]) == 0
    contract = parse_contract(parse_yaml(path.read_text()))
    assert [key.name for key in contract.topics] == ["cam_high", "state"]
    assert len(contract.action.names) == 26
    assert [output.topic for output in contract.action.outputs] == ["joint_commands"]


def test_new_says_that_it_listens_and_writes_nothing_for_a_namespace_that_is_not_there(
    tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / "robot.yaml"
    new = ["contract", "new", "--wait", "0.1", "--output", str(path)]
    assert main([*new, "--namespace", "nothere"]) == 1
    told = capsys.readouterr().err
    assert "Listening to the robot's topics for 0.1 s ..." in told
    assert "no topic is in the namespace 'nothere'" in told and not path.exists()
    path.write_text("mine")
    assert main([*new, "--wait", "3600"]) == 1  # told before it listens
    assert "exists already" in capsys.readouterr().err and path.read_text() == "mine"


def test_new_looks_at_the_topics_of_a_running_robot(graph: Any) -> None:
    from rclpy.qos import DurabilityPolicy, QoSProfile

    from inferential_ros.discovery.topics import look

    graph.repeat(
        (graph.publisher(JointState, "/r/joint_states"), JOINTS),
        (graph.publisher(JointState, "/r/joint_states"), GRIPPER),
        (graph.publisher(Imu, "/r/imu"), Imu()),
    )
    graph.publisher(String, "/r/instruction")
    urdf = f'<robot><joint name="{JOINTS.name[0]}" type="continuous"/></robot>'
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    graph.publisher(String, "/r/robot_description", latched).publish(String(data=urdf))
    graph.publisher(CompressedImage, "/r/camera/compressed")
    graph.publisher(PointCloud2, "/r/points")
    graph.inbox(Float64MultiArray, "/r/commands")
    graph.inbox(Twist, "/r/cmd_vel")
    wanted = {"/r/joint_states", "/r/imu", "/r/instruction", "/r/commands", "/r/cmd_vel"}
    wanted.add("/r/robot_description")
    for _ in range(10):  # discovery takes as long as it takes
        seen = {item.topic: item for item in look(1.5, graph.context)}
        complete = wanted <= set(seen) and seen["/r/joint_states"].sample is not None
        complete = complete and len(seen["/r/joint_states"].sample.name) == 3
        complete = complete and seen["/r/robot_description"].sample is not None
        if complete and seen["/r/commands"].subscribers == 1:
            break
    assert seen["/r/joint_states"].rate_hz > 1.0
    contract = written(*seen.values(), namespace="r")
    assert {"state", "imu", "instruction"} <= {key.name for key in contract.topics}
    assert contract.action.names[:3] == ("a", "b", "gripper"), "of two nodes on one topic"
    assert {output.topic for output in contract.action.outputs} == {"commands", "cmd_vel"}
    assert contract.action.execution.geometry[0].names == (JOINTS.name[0],)
