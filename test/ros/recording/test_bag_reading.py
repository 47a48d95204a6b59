"""Recordings of every make are read, and what cannot be read closes nothing else."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rosbags.highlevel", reason="rosbags (PyPI) is not installed")
pytest.importorskip("mcap.writer", reason="mcap (PyPI) is not installed")

import lz4.frame
import zstandard
from bags import (
    FLAVOURS,
    HUMBLE,
    RANGE,
    START_NS,
    STATE,
    STEP_NS,
    Mcap,
    Sqlite,
    definition,
    header,
    state,
    states_in,
)
from mcap.writer import CompressionType

from inferential_core.cli import main
from inferential_ros.recording.bag import BagError, open_bag, topics_of

DATA = Path(os.environ.get("INFERENTIAL_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
ROSBAG2 = DATA / "rosbag2_bags"
real_bags = pytest.mark.skipif(
    not ROSBAG2.is_dir(), reason=f"no recordings at {ROSBAG2} (set INFERENTIAL_TEST_DATA)"
)
SERVICE = b"bool flag\n---\nbool done\n"


def positions(path: Path) -> list[float]:
    """That of the first joint in every joint state, in order."""
    with open_bag(path) as bag:
        return [float(item.message.position[0]) for item in bag.messages(["/joint_states"])]


def wanted(count: int) -> list[float]:
    return [index / 100 for index in range(count)]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_every_valid_mcap_is_read_whole(flavour: str, tmp_path: Path) -> None:
    path = states_in(tmp_path / "bag.mcap", 40, **FLAVOURS[flavour])
    assert positions(path) == wanted(40)
    with open_bag(path) as bag:
        assert (bag.count("/joint_states"), bag.notes) == (40, [])
        assert bag.duration_s == pytest.approx(39 * STEP_NS / 1e9)


def test_channels_that_cannot_be_decoded_are_named_and_close_no_other(
    tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / "bag.mcap"
    with Mcap(path) as mcap:
        mcap.channel("/call/_service_event", "vendor/srv/Call_Event", SERVICE)
        mcap.channel("/log", "log", b"{}", encoding="json", language="jsonschema")
        mcap.channel(
            "/camera", "foxglove.Image", b"\x0a", encoding="protobuf", language="protobuf"
        )
        mcap.channel("/odd", "vendor_msgs/msg/Odd", b"", language="")
        mcap.channel("/half", "vendor_msgs/msg/Half", b"vendor_msgs/Other other\n")
        mcap.channel("/loop", "vendor_msgs/msg/Loop", b"vendor_msgs/Loop loop\n")
        mcap.channel("/broken", "vendor_msgs/msg/Broken", b"float64[[[ x")
        mcap.channel("/joint_states", STATE)
        for topic in (
            "/log",
            "/loop",
            "/odd",
            "/half",
            "/broken",
            "/call/_service_event",
            "/camera",
        ):
            mcap.write(topic, START_NS, b"\0\1\0\0{}")
        for index in range(3):
            mcap.write("/joint_states", START_NS + index, state(START_NS, index / 100, 0.0))
    assert positions(path) == wanted(3)
    with open_bag(path) as bag:
        assert {item.topic for item in bag.messages(bag.types)} == {"/joint_states"}
        told = bag.unreadable
        assert "/loop: messages left out: 1, the first as: RecursionError" in bag.notes[0]
    assert "encoded as 'json'" in told["/log"] and "'protobuf'" in told["/camera"]
    assert "no definition of vendor_msgs/msg/Odd" in told["/odd"]
    assert "names vendor_msgs/msg/Other, which is not defined" in told["/half"]
    assert "vendor_msgs/msg/Broken cannot be parsed" in told["/broken"]
    assert "/call/_service_event (vendor/srv/Call_Event)" in told["/call/_service_event"]
    assert [seen.topic for seen in topics_of(path)] == ["/joint_states", "/loop"]
    assert main(["contract", "new", "--bag", str(path)]) == 0
    printed = capsys.readouterr()
    assert "topic: joint_states" in printed.out and "/log" not in printed.out
    assert all(f"note: {reason}" in printed.err for reason in told.values()) and len(told) == 6


def test_a_contract_from_a_recording_has_the_joints_of_all_nodes_on_a_topic(
    tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / "bag.mcap"
    with Mcap(path) as mcap:
        mcap.channel("/joint_states", STATE)
        for index in range(20):
            mcap.write("/joint_states", START_NS + index, state(START_NS, 0.1, 0.2))
        mcap.write("/joint_states", START_NS + 20, state(START_NS, 0.3, names=("gripper",)))
    assert main(["contract", "new", "--bag", str(path)]) == 0
    assert "joints: [a, b, gripper]" in capsys.readouterr().out


def test_a_contract_from_a_recording_takes_a_trajectory_for_a_command(
    tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / "bag.mcap"
    with Mcap(path) as mcap:
        mcap.channel("/joint_states", STATE)
        mcap.channel("/arm_controller/joint_trajectory", "trajectory_msgs/msg/JointTrajectory")
        mcap.write("/joint_states", START_NS, state(START_NS, 0.1, 0.2))
    assert main(["contract", "new", "--bag", str(path)]) == 0
    assert "    - topic: arm_controller/joint_trajectory" in capsys.readouterr().out


@real_bags
@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_real_recordings_with_service_events_give_their_topics(storage: str) -> None:
    with open_bag(ROSBAG2 / f"{storage}_topics_and_service_events") as bag:
        assert {"/test_topic1", "/test_topic2", "/events/write_split"} == set(bag.types)
        assert {"/test_service1/_service_event", "/test_service2/_service_event"} == set(
            bag.unreadable
        )
        items = {item.topic: item.message for item in bag.messages(bag.types)}
    assert items["/test_topic1"].string_value_default1 == "Hello world!"


@real_bags
def test_a_real_recording_of_a_type_that_is_not_here_names_it() -> None:
    with open_bag(ROSBAG2 / "sqlite3_custom_type") as bag:
        assert not bag.types
        assert "no definition of test_msgs/msg/BasicTypes" in bag.unreadable["topic1"]


def test_a_recording_that_was_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    whole = states_in(tmp_path / "whole.mcap", 60, chunk_size=1000).read_bytes()
    cut, chance, counts = tmp_path / "cut.mcap", random.Random(16), set()
    for size in sorted(chance.sample(range(8, len(whole)), 40)):
        cut.write_bytes(whole[:size])
        found = positions(cut)
        assert found == wanted(len(found))
        counts.add(len(found))
        with open_bag(cut) as bag:
            told = " ".join(bag.notes)
        assert "mcap recover cut.mcap" in told or len(found) == 60
    assert len(counts) > 5 and max(counts) == 60


def test_zeros_after_a_power_cut_are_no_messages(tmp_path: Path) -> None:
    path = states_in(tmp_path / "bag.mcap", 20, chunk_size=500)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + bytes(5000))
    found = positions(path)
    assert found == wanted(len(found)) and len(found) >= 5


@pytest.mark.parametrize("module, kind", [(zstandard, "ZSTD"), (lz4.frame, "LZ4")])
def test_a_chunk_may_be_compressed_in_several_frames(
    module: Any, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = module.compress
    monkeypatch.setattr(module, "compress", lambda data: one(data[:1500]) + one(data[1500:]))
    path = states_in(tmp_path / "bag.mcap", 60, compression=CompressionType[kind])
    assert positions(path) == wanted(60)
    with open_bag(path) as bag:
        assert bag.notes == []


@pytest.mark.parametrize("compression", CompressionType)
def test_a_damaged_chunk_costs_its_own_messages_only(
    compression: CompressionType, tmp_path: Path
) -> None:
    path = states_in(tmp_path / "bag.mcap", 60, chunk_size=1000, compression=compression)
    content = bytearray(path.read_bytes())
    for at in range(len(content) // 3, len(content) // 3 + 40):
        content[at] ^= 0xFF
    path.write_bytes(content)
    found = positions(path)
    assert 40 <= len(found) < 60 and set(found) <= set(wanted(60))
    with open_bag(path) as bag:
        list(bag.messages(bag.types))
        assert any("left out" in note for note in bag.notes)


def test_damage_anywhere_is_told_in_words(tmp_path: Path) -> None:
    chance = random.Random(7)
    with Sqlite(tmp_path / "bag.db3") as rows:
        rows.channel("/joint_states", STATE)
        for index in range(30):
            rows.write("/joint_states", START_NS + index, state(START_NS, index / 100, 0.0))
    states_in(tmp_path / "bag.mcap", 30, chunk_size=500)
    for name in ("bag.mcap", "bag.db3"):
        content, broken = (tmp_path / name).read_bytes(), tmp_path / f"broken_{name}"
        for _ in range(100):
            wrong = bytearray(content)
            for at in chance.sample(range(len(wrong)), 5):
                wrong[at] = chance.randrange(256)
            broken.write_bytes(wrong[: chance.choice([len(wrong), chance.randrange(len(wrong))])])
            try:
                with open_bag(broken) as bag:
                    list(bag.messages(bag.types))
            except BagError:
                pass


def test_a_folder_needs_no_metadata(tmp_path: Path) -> None:
    states_in(tmp_path / "run" / "run_0.mcap", 5)
    assert positions(tmp_path / "run") == wanted(5)
    (tmp_path / "run" / "metadata.yaml").write_text("rosbag2_bagfile_information: {version")
    assert positions(tmp_path / "run") == wanted(5)
    with open_bag(tmp_path / "run") as bag:
        assert "metadata.yaml cannot be read" in bag.notes[0]


def test_the_parts_of_a_recording_are_read_by_their_numbers(tmp_path: Path) -> None:
    """By their names part 10 would come before part 2, and time would go back."""
    for part in range(11):
        with Mcap(tmp_path / "run" / f"run_{part}.mcap") as mcap:
            mcap.channel("/joint_states", STATE)
            time_ns = START_NS + part * 10**9
            mcap.write("/joint_states", time_ns, state(time_ns, part / 100, 0.0))
    assert positions(tmp_path / "run") == wanted(11)
    with open_bag(tmp_path / "run") as bag:
        assert {item.episode for item in bag.messages(bag.types)} == {0}
    assert positions(tmp_path / "run" / "run_3.mcap") == [0.03]
    listed = {"relative_file_paths": ["run_1.mcap", "run_2.mcap", "gone.mcap"]}
    text = json.dumps({"rosbag2_bagfile_information": listed})
    (tmp_path / "run" / "metadata.yaml").write_text(text)
    assert positions(tmp_path / "run") == [0.01, 0.02]
    with open_bag(tmp_path / "run") as bag:
        assert "gone.mcap is named by metadata.yaml, but it is not there" in bag.notes[0]


@pytest.mark.parametrize("ending", ["mcap", "db3"])
def test_compressed_files_are_read(ending: str, tmp_path: Path) -> None:
    plain, folder = tmp_path / f"bag.{ending}", tmp_path / "run"
    if ending == "mcap":
        states_in(plain, 12)
    else:
        with Sqlite(plain) as rows:
            rows.channel("/joint_states", STATE)
            for index in range(12):
                rows.write("/joint_states", index, state(START_NS, index / 100, 0.0))
    folder.mkdir()
    compressed = folder / f"bag.{ending}.zstd"
    compressed.write_bytes(zstandard.compress(plain.read_bytes()))
    assert positions(compressed) == positions(folder) == wanted(12)
    listed = {"relative_file_paths": [f"bag.{ending}"], "compression_mode": "FILE"}
    text = json.dumps({"rosbag2_bagfile_information": listed})
    (folder / "metadata.yaml").write_text(text)
    assert positions(folder) == wanted(12)


def test_messages_that_are_compressed_one_by_one_are_read(tmp_path: Path) -> None:
    with Sqlite(tmp_path / "run" / "run_0.db3") as rows:
        rows.channel("/joint_states", STATE)
        for index in range(4):
            packed = zstandard.compress(state(START_NS, index / 100, 0.0))
            rows.write("/joint_states", START_NS + index, packed)
    listed = {"relative_file_paths": ["run_0.db3"], "compression_mode": "MESSAGE"}
    text = json.dumps({"rosbag2_bagfile_information": listed})
    (tmp_path / "run" / "metadata.yaml").write_text(text)
    assert positions(tmp_path / "run") == wanted(4)


def humble_range(distance: float) -> bytes:
    """As Humble sends it: without `variance`, which came with Iron."""
    message = HUMBLE.types[RANGE](header(HUMBLE, START_NS), 1, 0.5, 0.1, 4.0, distance)
    return bytes(HUMBLE.serialize_cdr(message, RANGE))


@pytest.mark.parametrize("ending", ["mcap", "db3"])
def test_a_message_of_humble_is_read_by_humbles_definition(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"bag.{ending}"
    if ending == "mcap":
        with Mcap(path) as mcap:
            mcap.channel("/range", RANGE, definition(RANGE, HUMBLE))
            mcap.write("/range", START_NS, humble_range(1.25))
    else:
        with Sqlite(path) as rows:
            rows.channel("/range", RANGE)
            rows.write("/range", START_NS, humble_range(1.25))
    with open_bag(path) as bag:
        (item,) = bag.messages(["/range"])
    assert item.message.range == 1.25 and not hasattr(item.message, "variance")


IDL = """\
================================================================================
IDL: my_msgs/msg/Pair
module my_msgs { module msg { struct Pair { double x; my_msgs::msg::Inner inner; }; }; };
================================================================================
IDL: my_msgs/msg/Inner
module my_msgs { module msg { struct Inner { double y; }; }; };
"""


def test_definitions_in_idl_are_read(tmp_path: Path) -> None:
    with Mcap(tmp_path / "bag.mcap") as mcap:
        mcap.channel("/pair", "my_msgs/msg/Pair", IDL.encode(), language="ros2idl")
        mcap.write("/pair", 1, b"\0\1\0\0" + np.array([1.5, 2.5]).tobytes())
    with open_bag(tmp_path / "bag.mcap") as bag:
        (item,) = bag.messages(["/pair"])
    assert (item.message.x, item.message.inner.y) == (1.5, 2.5)


def test_a_definition_may_leave_out_the_standard_types_it_names(tmp_path: Path) -> None:
    with Mcap(tmp_path / "bag.mcap") as mcap:
        text = b"std_msgs/Header header\nstring[] name\nfloat64[] position\n"
        mcap.channel("/joint_states", STATE, text + b"float64[] velocity\nfloat64[] effort\n")
        mcap.write("/joint_states", 1, state(START_NS, 0.25, 0.5))
    assert positions(tmp_path / "bag.mcap") == [0.25]


def test_two_publishers_of_one_topic_are_read_as_one(tmp_path: Path) -> None:
    """Each has a channel of its own, with its own quality of service."""
    with Mcap(tmp_path / "bag.mcap") as mcap:
        for publisher in range(2):
            mcap.channel("/joint_states", STATE)
            mcap.write("/joint_states", publisher, state(START_NS, publisher / 100, 0.0))
    assert positions(tmp_path / "bag.mcap") == wanted(2)


def test_two_channels_may_disagree_about_a_type(tmp_path: Path) -> None:
    other = b"float64 x\nfloat64 y\n"
    with Mcap(tmp_path / "bag.mcap") as mcap:
        mcap.channel("/ours", "my_msgs/msg/Point", b"float64 x\n")
        mcap.channel("/theirs", "my_msgs/msg/Point", other)
        mcap.write("/ours", 1, b"\0\1\0\0" + bytes(8))
        mcap.write("/theirs", 2, b"\0\1\0\0" + bytes(16))
    with open_bag(tmp_path / "bag.mcap") as bag:
        ours, theirs = (item.message for item in bag.messages(bag.types))
    assert not hasattr(ours, "y") and theirs.y == 0.0


def test_messages_that_do_not_fit_their_definition_are_counted(tmp_path: Path) -> None:
    with Mcap(tmp_path / "bag.mcap") as mcap:
        mcap.channel("/joint_states", STATE)
        for index in range(4):
            data = state(START_NS, index / 100, 0.0) if index != 2 else b"\0\1\0\0short"
            mcap.write("/joint_states", START_NS + index, data)
    with open_bag(tmp_path / "bag.mcap") as bag:
        for _ in range(2):
            assert len(list(bag.messages(bag.types))) == 3
        (note,) = bag.notes
    assert note.startswith("/joint_states: messages left out: 1, the first as: ")


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from bags import START_NS, STATE, Sqlite, state
rows = Sqlite(Path(sys.argv[1]))
rows.rows.execute("PRAGMA journal_mode=WAL")
rows.channel("/joint_states", STATE)
for index in range(8):
    rows.write("/joint_states", START_NS + index, state(START_NS, index / 100, 0.0))
rows.rows.commit()
os._exit(9)
"""


def test_what_a_killed_recorder_left_in_its_write_ahead_log_is_read(tmp_path: Path) -> None:
    support = str(Path(__file__).parents[1] / "support")
    line = [sys.executable, "-c", KILLED, str(tmp_path / "bag.db3"), support]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run(line, env=environment, timeout=60, check=False)
    assert (tmp_path / "bag.db3-wal").stat().st_size
    assert positions(tmp_path / "bag.db3") == wanted(8)


def told(path: Path) -> str:
    with pytest.raises(BagError) as caught, open_bag(path):
        pass
    return str(caught.value)


def test_what_is_no_recording_is_refused_with_what_helps(tmp_path: Path) -> None:
    (tmp_path / "empty.mcap").touch()
    (tmp_path / "one.bag").write_bytes(b"#ROSBAG V2.0\n")
    (tmp_path / "words.mcap").write_text("these are words")
    (tmp_path / "nothing").mkdir()
    states_in(tmp_path / "many" / "monday" / "a.mcap", 1)
    states_in(tmp_path / "many" / "tuesday" / "b.mcap", 1)
    assert "the file is empty" in told(tmp_path / "empty.mcap")
    assert "rosbags-convert --src one.bag" in told(tmp_path / "one.bag")
    assert "neither an MCAP file nor a sqlite3" in told(tmp_path / "words.mcap")
    assert "no file ends in .mcap or .db3" in told(tmp_path / "nothing")
    assert "name one of them: monday, tuesday" in told(tmp_path / "many")
    assert "no such file or folder" in told(tmp_path / "gone")


@real_bags
def test_a_database_that_was_cut_off_names_the_command_that_saves_it(tmp_path: Path) -> None:
    source = DATA / "g1_inspire_real_bag" / "episode_000030_sqlite3"
    (tmp_path / "cut.db3").write_bytes(next(source.glob("*.db3")).read_bytes()[:2_000_000])
    assert "`sqlite3 cut.db3 .recover | sqlite3 whole.db3`" in told(tmp_path / "cut.db3")
