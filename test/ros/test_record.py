"""What a bridge saw and did is written to an MCAP that other tools and `replay` can read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("rosbags.highlevel", reason="rosbags (PyPI) is not installed")

import rclpy
from bridge_rig import CONTRACT, Rig

from inferential_core.cli import main
from inferential_ros.contract.loading import load_contract
from inferential_ros.recording.bag import BagError, open_bag
from inferential_ros.recording.definitions import Definitions
from inferential_ros.recording.recorder import Recorder
from inferential_ros.recording.writing import BagWriter

WAIT_S = 20.0
ROOT = Path(__file__).parents[2]


def stamp_ns(message: Any) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def test_a_bridge_is_recorded_and_the_recording_replayed(graph: Any, tmp_path: Path) -> None:
    rig = Rig(graph, tmp_path)
    contract = load_contract(tmp_path / "contract.yaml")
    writer = BagWriter(tmp_path / "bag")
    node = rclpy.create_node("recorder", namespace="r", context=graph.context)
    Recorder(node, contract, writer)
    graph.executor.add_node(node)
    try:
        rig.run()
        wanted = ("/r/joint_states", "/r/action_chunk", "/r/arm", "/r/gripper")
        for _ in range(int(WAIT_S / 0.05)):
            if min(writer.counts[topic] for topic in wanted) >= 10:
                break
            threading.Event().wait(0.05)  # messages are counted by the executor's thread
    finally:
        graph.executor.remove_node(node)
        node.destroy_node()
        writer.close()

    with open_bag(tmp_path / "bag") as bag:
        assert bag.types["/r/action_chunk"] == "inferential/msg/ActionChunk"
        items = list(bag.messages(bag.types))
    states = {stamp_ns(i.message) for i in items if i.topic == "/r/joint_states"}
    chunks = [i.message for i in items if i.topic == "/r/action_chunk"]
    assert len(states) >= 10 and len(chunks) >= 10
    known = [chunk for chunk in chunks if stamp_ns(chunk) in states]
    assert len(known) >= len(chunks) - 2  # the first ones may be of before the recording
    assert list(chunks[0].names) == ["arm", "gripper"] and chunks[0].horizon == 10
    assert any(i.topic == "/r/bridge_status" and i.message.client == "r" for i in items)

    replay = ["replay", str(tmp_path / "bag"), "--contract", str(tmp_path / "contract.yaml")]
    figures = tmp_path / "figures.json"
    options = ["--server", rig.server.address, "--namespace", "r", "--lockstep"]
    try:
        assert main([*replay, *options, "--json", str(figures)]) == 0
    finally:
        rig.server.stop()
    report = json.loads(figures.read_text())
    assert report["observations"] == report["outcomes"]["ok"] == len(states)
    # The model is the same, and so is what it commands, from its first answer on.
    assert report["commands"] >= 10 and report["difference"]["all"]["max_abs"] == 0.0


def test_nothing_is_lost_when_the_recorder_is_told_to_end(tmp_path: Path) -> None:
    contract = tmp_path / "contract.yaml"
    contract.write_text(CONTRACT)
    command = [sys.executable, "-m", "inferential_core.cli", "record", str(tmp_path / "bag")]
    process = subprocess.Popen(
        [*command, "--contract", str(contract), "--namespace", "r"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        assert "recording to" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
    assert process.returncode == 1  # nothing came
    assert "0  /r/joint_states" in out
    with open_bag(tmp_path / "bag") as bag:
        assert not list(bag.messages(bag.types))


def test_an_existing_folder_and_an_unknown_type_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    with pytest.raises(BagError, match="bag"):
        BagWriter(tmp_path / "bag")
    with pytest.raises(BagError, match="no definition of odd_msgs/msg/Odd"):
        Definitions().need("odd_msgs/msg/Odd")


def test_types_of_any_package_are_found_with_all_that_is_in_them() -> None:
    definitions = Definitions()
    definitions.need("inferential/msg/ServerStatus")
    assert "inferential/msg/ModelStatus" in definitions.store.fielddefs


FILLING = """
import resource, sys
from inferential_ros.recording.bag import BagError
from inferential_ros.recording.writing import BagWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
writer = BagWriter(sys.argv[1])
writer.add("/words", "std_msgs/msg/String")
try:
    for number in range(100_000):
        writer.write("/words", number, bytes([0, 1, 0, 0, 4, 0, 0, 0]) + b"one" + bytes(100))
except BagError as error:
    print(error)
    writer.close()
"""


def test_a_disk_that_is_full_ends_the_recording_with_the_reason(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FILLING, str(tmp_path / "bag")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )
    assert run.returncode == 0, run.stderr
    assert "File too large: the recording ends here, incomplete" in run.stdout
