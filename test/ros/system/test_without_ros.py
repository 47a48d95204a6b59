"""On a machine without ROS a contract is checked and a recording replayed all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rosbags.highlevel", reason="rosbags (PyPI) is not installed")

pytest.importorskip("mcap.writer", reason="mcap (PyPI) is not installed")

from bags import JAZZY, START_NS, STATE, STEP_NS, Mcap, header, state
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from inferential_core import LocalDispatcher, Server
from inferential_ros.convert.fields import resolve
from inferential_ros.options import stand_ins
from inferential_ros.options.stand_ins import _made

ROOT = Path(__file__).parents[3]
TREE = "tf2_msgs/msg/TFMessage"
DATA = Path(os.environ.get("INFERENTIAL_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
BAG = DATA / "g1_inspire_real_bag" / "episode_000029_mcap"
# What a ROS installation brings, made absent: nothing of it can be imported.
ABSENT = """
import importlib.util, sys
ROS = ("rclpy", "inferential", "builtin_interfaces", "sensor_msgs", "std_msgs", "geometry_msgs",
       "trajectory_msgs", "nav_msgs", "tf2_msgs", "rosidl_parser")
for name in ROS:
    sys.modules[name] = None
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in ROS else found(name, *rest)
from inferential_core.cli import main
sys.exit(main(sys.argv[1:]))
"""


def command(*arguments: str, absent: str = ABSENT) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", absent, *arguments]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_a_contract_is_checked(tmp_path: Path) -> None:
    done = command("contract", "check", "arm")
    assert done.returncode == 0, done.stderr
    assert "state: joint_states (sensor_msgs/msg/JointState), as float32 of 7" in done.stdout
    text = (ROOT / "config" / "contracts" / "arm.yaml").read_text()
    wrong = tmp_path / "arm.yaml"
    wrong.write_text(text.replace("sensor_msgs/msg/JointState", "odd_msgs/msg/JointState"))
    done = command("contract", "check", str(wrong))
    assert done.returncode == 1
    assert "observation.keys.state.type: 'odd_msgs/msg/JointState': cannot import" in done.stderr


def test_where_no_type_is_known_one_line_says_what_brings_them() -> None:
    done = command(
        "contract", "check", "arm", absent=ABSENT.replace('"rclpy",', '"rclpy", "rosbags",')
    )
    assert done.returncode == 1
    told = "inferential contract: no message type is known here: without ROS 2, pip install"
    assert done.stderr.startswith(told) and len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not BAG.is_dir(), reason=f"no recording at {BAG} (set INFERENTIAL_TEST_DATA)")
def test_a_recording_is_replayed(tmp_path: Path) -> None:
    contract = tmp_path / "g1.yaml"
    done = command("contract", "new", "--bag", str(BAG), "--output", str(contract))
    assert done.returncode == 0, done.stderr

    def still(obs: dict[str, Any]) -> dict[str, Any]:
        return {"actions": np.tile(obs["state"], (10, 1))}

    server = Server("tcp://127.0.0.1:*", dispatcher=LocalDispatcher({"policy": still}))
    server.start()
    try:
        options = ["--contract", str(contract), "--server", server.address, "--lockstep"]
        done = command("replay", str(BAG), *options)
    finally:
        server.stop()
    assert done.returncode == 0, done.stderr
    assert "kRightWristYaw" in done.stdout and " observations, from " in done.stdout


TRANSFORMED = """
model: {id: policy}
observation:
  trigger: {on: state}
  keys:
    state: {topic: joint_states, type: sensor_msgs/msg/JointState, joints: [a, b]}
    tool: {tf: {frame: tool0, in: base_link}}
action:
  names: [a, b]
  rate_hz: 50
  outputs: [{topic: cmd, type: std_msgs/msg/Float64MultiArray, kind: position}]
"""


def transform(time_ns: int, x: float) -> bytes:
    """A message of /tf, serialized: tool0 is at x in base_link."""
    kinds = JAZZY.types
    vector = kinds["geometry_msgs/msg/Vector3"](x, 0.0, 0.0)
    rotation = kinds["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
    pose = kinds["geometry_msgs/msg/Transform"](vector, rotation)
    head = header(JAZZY, time_ns)
    head.frame_id = "base_link"
    stamped = kinds["geometry_msgs/msg/TransformStamped"](head, "tool0", pose)
    return bytes(JAZZY.serialize_cdr(kinds[TREE]([stamped]), TREE))


def test_frames_are_replayed_also_where_none_of_them_is_static(tmp_path: Path) -> None:
    contract, bag, seen = tmp_path / "r.yaml", tmp_path / "bag.mcap", []
    contract.write_text(TRANSFORMED)
    with Mcap(bag) as mcap:
        mcap.channel("/tf", TREE)
        mcap.channel("/joint_states", STATE)
        for index in range(5):
            time_ns = START_NS + index * STEP_NS
            mcap.write("/tf", time_ns - 1, transform(time_ns, index / 8))
            mcap.write("/joint_states", time_ns, state(time_ns))

    def policy(obs: dict[str, Any]) -> dict[str, Any]:
        seen.append(float(obs["tool"][0]))
        return {"actions": np.zeros((10, 2))}

    server = Server("tcp://127.0.0.1:*", dispatcher=LocalDispatcher({"policy": policy}))
    server.start()
    try:
        options = ["--contract", str(contract), "--server", server.address, "--lockstep"]
        done = command("replay", str(bag), *options)
    finally:
        server.stop()
    assert done.returncode == 0, done.stdout + done.stderr
    assert seen == [index / 8 for index in range(5)]


OWN = "my_hand_msgs/msg/Gripper"
OWN_DEFINITION = f"""float32 width
float64[2] fingers
my_hand_msgs/Pad[] pads
{"=" * 80}
MSG: my_hand_msgs/Pad
string name
float32[4] taxels
"""
OF_A_HAND = """
model: {id: policy}
observation:
  trigger: {on: hand}
  keys:
    hand:
      topic: hand
      type: my_hand_msgs/msg/Gripper
      select: [width, "fingers[1]", "pads[name=left].taxels[1:3]"]
      stamp: receive
action:
  names: [a]
  rate_hz: 50
  outputs: [{topic: cmd, type: std_msgs/msg/Float64MultiArray, kind: position}]
"""


@pytest.mark.parametrize("installed", [False, True])
def test_types_that_only_the_recording_knows_are_replayed(installed: bool, tmp_path: Path) -> None:
    """Without ROS, and with ROS where the workspace of those types is not sourced."""
    contract, bag, seen = tmp_path / "hand.yaml", tmp_path / "hand.mcap", []
    contract.write_text(OF_A_HAND)
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(OWN_DEFINITION, OWN))
    pad, gripper = store.types["my_hand_msgs/msg/Pad"], store.types[OWN]
    with Mcap(bag) as mcap:
        mcap.channel("/hand", OWN, OWN_DEFINITION.encode())
        for index in range(3):
            pads = [pad(name, np.arange(4, dtype="f4") + index) for name in ("right", "left")]
            message = gripper(index / 8, np.array([0.25, 0.5]), pads)
            mcap.write(
                "/hand", START_NS + index * STEP_NS, bytes(store.serialize_cdr(message, OWN))
            )

    def policy(obs: dict[str, Any]) -> dict[str, Any]:
        seen.append(obs["hand"].tolist())
        return {"actions": np.zeros((10, 1))}

    present = "import sys; from inferential_core.cli import main; sys.exit(main(sys.argv[1:]))"
    server = Server("tcp://127.0.0.1:*", dispatcher=LocalDispatcher({"policy": policy}))
    server.start()
    try:
        options = ["--contract", str(contract), "--server", server.address, "--lockstep"]
        done = command("replay", str(bag), *options, absent=present if installed else ABSENT)
    finally:
        server.stop()
    assert done.returncode == 0, done.stdout + done.stderr
    assert seen == [[index / 8, 0.5, 1.0 + index, 2.0 + index] for index in range(3)]


def test_a_stand_in_has_the_fields_of_the_real_type() -> None:
    messages = pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed")
    for name in ("JointState", "Imu", "PointCloud2", "BatteryState", "LaserScan"):
        real, ours = getattr(messages, name), _made(f"sensor_msgs/msg/{name}")
        assert ours is not None
        assert ours.get_fields_and_field_types() == real.get_fields_and_field_types()
        empty = ours()
        for field in real.get_fields_and_field_types():
            assert hasattr(empty, field)
    imu = _made("sensor_msgs/msg/Imu")
    assert imu is not None and imu().orientation_covariance.shape == (9,)
    assert resolve(imu, "header.stamp.sec", "here")[0].get(imu()) == 0


def test_where_ros_is_installed_nothing_stands_in() -> None:
    pytest.importorskip("rclpy", reason="ROS 2 is not installed here")
    assert stand_ins.stand_in("sensor_msgs/msg/Imu") is None
