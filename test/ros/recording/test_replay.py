"""A recorded robot drives a real server, without ROS running; what it reports is true."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")
pytest.importorskip("rosbags.highlevel", reason="rosbags (PyPI) is not installed")

from geometry_msgs.msg import Twist, Vector3
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from inferential_core import LocalDispatcher, Server
from inferential_core.cli import main
from inferential_ros.contract.loading import parse_contract
from inferential_ros.options.yaml_file import parse_yaml
from inferential_ros.recording.bag import open_bag
from inferential_ros.recording.commands import Difference, named_values

DATA = Path(os.environ.get("INFERENTIAL_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
BAGS = DATA / "g1_inspire_real_bag"
real_bag = pytest.mark.skipif(
    not BAGS.is_dir(), reason=f"no recording at {BAGS} (set INFERENTIAL_TEST_DATA)"
)
FRAMES = {"episode_000029_mcap": 221, "episode_000030_sqlite3": 277}
CONTRACT = """
robot: g1
model: {{id: hold, latency_budget_ms: 500}}
observation:
  trigger: {{on: camera}}
  keys:
    state:
      topic: joint_states
      type: sensor_msgs/msg/JointState
      joints: {joints}
      align: asof
      tolerance_s: 0.0167
    camera: {{topic: cam_high/image_raw/compressed, type: sensor_msgs/msg/CompressedImage}}
action:
  names: {joints}
  rate_hz: 30
  control_rate_hz: 60
  outputs: [{{topic: joint_commands, type: sensor_msgs/msg/JointState}}]
"""


class HoldStill:
    """Commands what the joints were, and keeps what it saw."""

    def __init__(self) -> None:
        self.seen: list[tuple[np.ndarray, tuple[int, ...]]] = []

    def infer(self, obs: dict[str, Any]) -> dict[str, Any]:
        self.seen.append((obs["state"], obs["camera"].shape))
        return {"actions": np.tile(obs["state"], (15, 1))}


@pytest.fixture
def served() -> Iterator[tuple[str, HoldStill]]:
    model = HoldStill()
    server = Server("tcp://127.0.0.1:*", dispatcher=LocalDispatcher({"hold": model}))
    server.start()
    yield server.address, model
    server.stop()


def recorded_joints(bag: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, states (N, J) and commands (N, J) in the recording's order."""
    rows: dict[str, list[Any]] = {"/joint_states": [], "/joint_commands": []}
    names: list[str] = []
    with open_bag(bag) as opened:
        for item in opened.messages(rows):
            names = names or list(item.message.name)
            assert list(item.message.name) == names
            rows[item.topic].append(item.message.position)
    return names, np.array(rows["/joint_states"]), np.array(rows["/joint_commands"])


@real_bag
@pytest.mark.parametrize("name", FRAMES)
def test_in_lockstep_every_frame_of_a_real_robot_is_answered_and_compared(
    name: str, served: tuple[str, HoldStill], tmp_path: Path, capsys: Any
) -> None:
    address, model = served
    joints, states, commands = recorded_joints(BAGS / name)
    contract, figures = tmp_path / "g1.yaml", tmp_path / "figures.json"
    contract.write_text(CONTRACT.format(joints=f"[{', '.join(joints)}]"))
    options = ["--contract", str(contract), "--server", address, "--lockstep"]
    assert main(["replay", str(BAGS / name), *options, "--json", str(figures)]) == 0

    assert "in lockstep with the answers" in capsys.readouterr().out
    report, count = json.loads(figures.read_text()), FRAMES[name]
    assert (report["messages"], report["observations"]) == (2 * count, count)
    assert report["samples"] == count
    assert report["outcomes"]["ok"] == len(model.seen) == report["within_budget"] == count
    # The joints of every observation are those of the camera's moment, to the last bit.
    np.testing.assert_array_equal([state for state, _ in model.seen], states.astype(np.float32))
    assert {shape for _, shape in model.seen} == {(480, 640, 3)}
    # A model that holds still is as far from the commands as the newest answered state was.
    order = recorded_order(BAGS / name)
    expected = [np.abs(states[seen] - commands[index]) for index, seen in order if seen >= 0]
    assert (report["commands"], report["unanswered"]) == (len(expected), count - len(expected))
    assert report["difference"]["all"]["mean_abs"] == pytest.approx(np.mean(expected), rel=1e-4)
    assert report["difference"]["all"]["max_abs"] == pytest.approx(np.max(expected), rel=1e-4)


def recorded_order(bag: Path) -> list[tuple[int, int]]:
    """For every command, its number and that of the newest frame recorded before it."""
    order, frames = [], -1
    with open_bag(bag) as opened:
        for item in opened.messages(opened.types):
            frames += "cam" in item.topic
            if item.topic == "/joint_commands":
                order.append((len(order), frames))
    return order


@real_bag
def test_at_the_recorded_pace_times_are_those_of_a_robot(
    served: tuple[str, HoldStill], tmp_path: Path
) -> None:
    address, model = served
    bag, figures = BAGS / "episode_000029_mcap", tmp_path / "figures.json"
    joints, states, _ = recorded_joints(bag)
    contract = tmp_path / "g1.yaml"
    contract.write_text(CONTRACT.format(joints=f"[{', '.join(joints)}]"))
    options = ["--contract", str(contract), "--server", address, "--speed", "4"]
    assert main(["replay", str(bag), *options, "--json", str(figures)]) == 0
    report = json.loads(figures.read_text())
    assert report["wall_s"] >= 220 / 30 / 4
    # A busy machine may skip a frame, as a robot would: nothing but the newest is sent.
    assert 20 <= report["observations"] <= report["samples"] == 221
    assert sum(report["outcomes"].values()) == report["observations"]
    rows = [int(np.abs(states - state).max(axis=1).argmin()) for state, _ in model.seen]
    assert rows == sorted(rows)
    assert 0.0 < report["latency_ms"]["p50"] <= report["latency_ms"]["max"]


@real_bag
def test_what_does_not_fit_the_recording_is_named(tmp_path: Path, capsys: Any) -> None:
    bag = str(BAGS / "episode_000029_mcap")
    contract = tmp_path / "g1.yaml"
    text = CONTRACT.format(joints="[kLeftElbow]")
    contract.write_text(text.replace("topic: joint_states", "topic: joint_state"))
    options = ["--contract", str(contract), "--server", "tcp://127.0.0.1:9"]
    assert main(["replay", bag, *options]) == 1
    told = "observation.keys.state.topic: '/joint_state' is not in the recording; did you mean"
    assert f"{told} '/joint_states'?" in capsys.readouterr().err
    assert main(["replay", bag, *options, "--remap", "joint_state:=/joint_states"]) == 1
    said = capsys.readouterr().err
    assert "no server at tcp://127.0.0.1:9: nothing listens on port 9" in said
    assert "waiting for the server at tcp://127.0.0.1:9 (nothing listens on port 9" in said
    assert "replaying" not in said
    assert main(["replay", bag, *options, "--commands", "/x", "--remap", "joint_state:=/cam"]) == 1
    assert main(["replay", str(tmp_path), *options]) == 1


def output(text: str) -> Any:
    values = parse_yaml(f"""
model: {{id: m}}
observation: {{keys: {{s: {{topic: s, type: sensor_msgs/msg/JointState, joints: [a]}}}}}}
action: {{names: [a, b], rate_hz: 50, outputs: [{{topic: o, {text}}}]}}
""")
    return parse_contract(values).action.outputs[0]


def test_commands_of_different_types_are_compared_by_name() -> None:
    joints = output("type: sensor_msgs/msg/JointState")
    expected = {"b": 1.0, "a": 2.0}
    assert named_values(JointState(name=["b", "a"], position=[1.0, 2.0]), joints) == expected
    point = JointTrajectoryPoint(positions=[1.0, 2.0])
    trajectory = JointTrajectory(joint_names=["b", "a"], points=[point])
    assert named_values(trajectory, joints) == expected
    assert named_values(JointTrajectory(), joints) == {}
    array = output("type: std_msgs/msg/Float64MultiArray, kind: effort, select: [b, a]")
    assert named_values(Float64MultiArray(data=[1.0, 2.0]), array) == expected
    twist = output("type: geometry_msgs/msg/Twist, fields: [linear.x, angular.z]")
    values = named_values(Twist(angular=Vector3(z=2.0)), twist)
    assert values["angular.z"] == 2.0 and len(values) == 6


def test_differences_by_hand() -> None:
    difference = Difference()
    difference.add({"a": 1.0, "b": 0.0}, None)
    difference.add({"a": 1.0, "b": 0.0}, {"a": 4.0, "c": 9.0})
    difference.add({"a": 1.0, "b": 2.0}, {"a": -3.0, "b": 2.0})
    summary = difference.summary()
    assert (difference.compared, difference.unanswered) == (2, 1)
    assert summary["a"] == {"mean_abs": 3.5, "rms": pytest.approx(12.5**0.5), "max_abs": 4.0}
    assert summary["b"]["max_abs"] == 0.0
    assert summary["all"]["mean_abs"] == pytest.approx(7.0 / 3.0)
