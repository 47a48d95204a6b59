"""What a bridge saw and did is written to an MCAP that other tools and `replay` can read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("rosbags.highlevel", reason="rosbags (PyPI) is not installed")

import numpy as np
import rclpy
from bridge_rig import CONTRACT, Rig
from builtin_interfaces.msg import Time
from inferential.msg import ActionChunk
from rosbags.highlevel import AnyReader
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState

from inferential_core import LocalDispatcher, Server
from inferential_core.cli import main
from inferential_ros.contract.loading import load_contract
from inferential_ros.recording.bag import BagError, open_bag
from inferential_ros.recording.definitions import Definitions
from inferential_ros.recording.recorder import Recorder
from inferential_ros.recording.writing import FLUSH_S, BagWriter

WAIT_S = 20.0
ROOT = Path(__file__).parents[3]


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
    options += ["--compare", "recorded"]
    try:
        assert main([*replay, *options, "--json", str(figures)]) == 0
    finally:
        rig.server.stop()
    report = json.loads(figures.read_text())
    assert report["observations"] == report["outcomes"]["ok"] == len(states)
    # The model is the same, and so is what it commands, from its first answer on.
    assert report["commands"] >= 10 and report["difference"]["all"]["max_abs"] == 0.0
    compared = report["compared"]
    assert compared["answers"] == len({stamp_ns(chunk) for chunk in known})
    assert {column["verdict"] for column in compared["columns"].values()} == {"the same"}


def test_an_empty_recording_is_told_of_while_it_is_made_and_leaves_nothing(tmp_path: Path) -> None:
    contract = tmp_path / "contract.yaml"
    contract.write_text(CONTRACT)
    command = [sys.executable, "-m", "inferential_core.cli", "record", str(tmp_path / "bag")]
    process = subprocess.Popen(
        [*command, "--contract", str(contract), "--namespace", "r"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "recording to" in process.stdout.readline()
        warning = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
    assert process.returncode == 1 and "Nothing came on these topics" in said
    assert "0  /r/joint_states" in out
    assert "Nothing comes on" in warning and "/r/joint_states" in warning
    assert not (tmp_path / "bag").exists()  # so that the next try may use it


def test_a_recording_that_is_discarded_takes_nothing_of_others_along(tmp_path: Path) -> None:
    writer = BagWriter(tmp_path / "bag")
    (tmp_path / "bag" / "notes.txt").write_text("mine")
    writer.discard()
    writer.write("/words", 0, b"")  # too late, and no error
    assert [each.name for each in (tmp_path / "bag").iterdir()] == ["notes.txt"]


def test_a_recording_without_a_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["record", "", "--contract", "contract.yaml"])
    assert "argument FOLDER: must not be empty" in capsys.readouterr().err


def test_what_is_a_second_old_is_in_the_file(tmp_path: Path) -> None:
    """Whatever then happens to the recorder: the file is read while it is being written."""
    now_s = 0.0
    writer = BagWriter(tmp_path / "bag", steady_s=lambda: now_s)
    writer.add("/words", "std_msgs/msg/String")
    for number in range(100):
        now_s = number / 10
        writer.write("/words", number, bytes([0, 1, 0, 0, 4, 0, 0, 0]) + b"one\0")
    with open_bag(tmp_path / "bag") as bag:
        times = [item.time_ns for item in bag.messages(bag.types)]
    assert times == list(range(len(times))) and len(times) >= 90
    now_s += FLUSH_S
    writer.flush_if_due()  # no message came that would have done so
    with open_bag(tmp_path / "bag") as bag:
        assert bag.count("/words") == 100
    writer.close()
    with open_bag(tmp_path / "bag") as bag:
        assert (bag.count("/words"), bag.notes) == (100, [])
    with AnyReader([tmp_path / "bag"]) as reader:  # others read it as well
        assert sum(1 for _ in reader.messages()) == 100


def recorded_so_far(bag: Path) -> dict[int, int]:
    """How many joint states each episode has in the file by now."""
    try:
        with open_bag(bag) as opened:
            return Counter(item.episode for item in opened.messages(["/r/joint_states"]))
    except BagError:  # nothing is in it yet
        return {}


def test_a_killed_recorder_leaves_a_simulation_with_its_reset_that_replays(
    graph: Any, tmp_path: Path
) -> None:
    contract, bag = tmp_path / "contract.yaml", tmp_path / "bag"
    contract.write_text(CONTRACT)
    states = graph.publisher(JointState, "/r/joint_states")
    chunks = graph.publisher(ActionChunk, "/r/action_chunk", 50)
    clock = graph.publisher(Clock, "/clock")
    line = [sys.executable, "-m", "inferential_core.cli", "record", str(bag), "--use-sim-time"]
    process = subprocess.Popen(
        [*line, "--contract", str(contract), "--namespace", "r"], cwd=ROOT, text=True
    )
    try:
        for publisher in (states, chunks, clock):
            graph.matched(publisher)
        for episode, start_ns in enumerate((100 * 10**9, 50 * 10**9)):
            for step in range(int(WAIT_S / 0.01)):
                time = Time(sec=(start_ns + step * 10**7) // 10**9, nanosec=step * 10**7 % 10**9)
                clock.publish(Clock(clock=time))
                state = JointState(name=["arm", "gripper"], position=[0.1, 0.2])
                state.header.stamp = time
                states.publish(state)
                chunks.publish(ActionChunk(model="policy", model_version=f"v{episode}"))
                if step % 20 == 0 and recorded_so_far(bag).get(episode, 0) >= 20:
                    break
                threading.Event().wait(0.01)  # the robot's pace
    finally:
        process.kill()
        process.wait()
    assert not (bag / "metadata.yaml").exists()
    found = recorded_so_far(bag)
    assert set(found) == {0, 1} and min(found.values()) >= 20
    with open_bag(bag) as opened:
        assert opened.count("/clock") >= 20 and "ends early" in opened.notes[0]

    model = {"policy": lambda obs: {"actions": np.zeros((10, 2), np.float32)}}
    figures = tmp_path / "figures.json"
    server = Server("tcp://127.0.0.1:*", dispatcher=LocalDispatcher(model))
    server.start()
    try:
        options = ["--server", server.address, "--lockstep", "--json", str(figures)]
        assert main(["replay", str(bag), *options]) == 0
    finally:
        server.stop()
    report = json.loads(figures.read_text())
    states_recorded = sum(found.values())
    assert (report["episodes"], report["messages"]) == (2, states_recorded)
    # Where the robot pauses behind the reset, its next state only begins the episode; on a busy
    # machine several wait for the clock. Each is told.
    assert report["outcomes"]["ok"] + report["not_ready"] == states_recorded
    assert report["outcomes"]["ok"] > states_recorded / 2
    assert report["recorded_model_version"] == "v1"


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
from inferential_ros.recording.writing import FLUSH_S, BagWriter
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
