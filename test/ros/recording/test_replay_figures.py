"""A replay asks of every sample whatever failed before, and counts only what was executed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rosbags.highlevel", reason="rosbags (PyPI) is not installed")
pytest.importorskip("mcap.writer", reason="mcap (PyPI) is not installed")

from bags import (
    CLOCK,
    CONTRACT,
    FRAMES,
    HUMBLE,
    JAZZY,
    RANGE,
    START_NS,
    STATE,
    STEP_NS,
    Mcap,
    clock,
    definition,
    frame,
    header,
    state,
    states_in,
)

from inferential_core import InferenceContext, LocalDispatcher, Server
from inferential_core.cli import main
from inferential_core.log import waiting
from inferential_ros.recording.bag import BagError, open_bag
from inferential_ros.recording.provenance import Provenance, attach_contract, contract_for
from inferential_ros.recording.writing import BagWriter

TEXT = "std_msgs/msg/String"


class Recorder:
    """A model that keeps what it was asked, and fails where it is told to."""

    version = "2.1"

    def __init__(self) -> None:
        self.asked: list[int] = []  # numbers of the samples, as states_in writes them
        self.epochs: list[int] = []
        self.fails: set[int] = set()
        self.answer = np.zeros((10, 2))

    def infer(self, obs: dict[str, Any], context: InferenceContext) -> dict[str, Any]:
        number = round(float(obs["state"][0]) * 100)
        self.asked.append(number)
        self.epochs.append(context.epoch)
        if number in self.fails:
            raise ValueError("no")
        return {"actions": self.answer}


@pytest.fixture
def model() -> Recorder:
    return Recorder()


@pytest.fixture
def replay(model: Recorder, tmp_path: Path) -> Iterator[Callable[..., tuple[int, Any]]]:
    """Replays a recording: the exit status and the figures."""
    server = Server("tcp://127.0.0.1:*", dispatcher=LocalDispatcher({"m": model}))
    server.start()
    contract, figures = tmp_path / "contract.yaml", tmp_path / "figures.json"

    def run(bag: Path, *options: str, text: str = CONTRACT) -> tuple[int, Any]:
        contract.write_text(text)
        line = ["replay", str(bag), "--server", server.address, "--json", str(figures), *options]
        status = main([*line, "--contract", str(contract)] if text else line)
        return status, json.loads(figures.read_text())

    yield run
    server.stop()


def test_in_lockstep_every_sample_is_asked_after_a_failure(
    model: Recorder, replay: Callable[..., tuple[int, Any]], tmp_path: Path
) -> None:
    bag = states_in(tmp_path / "bag.mcap", 60)
    status, report = replay(bag, "--lockstep")
    assert (status, report["executed"], report["model_versions"]) == (0, 60, ["2.1"])
    model.asked.clear()
    model.fails = {10, 30, 31, 32}
    status, report = replay(bag, "--lockstep")
    assert model.asked == list(range(60))
    assert (report["outcomes"]["errors"], report["outcomes"]["ok"]) == (4, 56)
    assert (report["executed"], report["within_budget"] <= 56, status) == (56, True, 1)


@pytest.mark.parametrize("pace", [["--lockstep"], ["--speed", "20"]])
def test_what_is_refused_on_the_robots_side_is_no_plan(
    pace: list[str],
    model: Recorder,
    replay: Callable[..., tuple[int, Any]],
    tmp_path: Path,
    capsys: Any,
) -> None:
    with Mcap(tmp_path / "bag.mcap") as mcap:
        mcap.channel("/joint_states", STATE)
        for index in range(20):
            time_ns = START_NS + index * STEP_NS
            mcap.write("/joint_states", time_ns, state(time_ns, float("nan"), 0.2))
    status, report = replay(tmp_path / "bag.mcap", *pace)
    assert not model.asked and status == 1
    assert (report["observations"], report["executed"], report["within_budget"]) == (0, 0, 0)
    assert report["latency_ms"] == {} and report["refused"] > 0
    if pace == ["--lockstep"]:
        assert report["refused"] == 20
    out = capsys.readouterr().out
    assert "no plan was executed" in out and "within the budget" not in out
    assert "times: observation.keys.state" in out


def test_commands_that_no_action_comes_before_are_told_as_that(
    model: Recorder, replay: Callable[..., tuple[int, Any]], tmp_path: Path, capsys: Any
) -> None:
    model.answer = np.full((10, 2), np.nan)
    array = "std_msgs/msg/Float64MultiArray"
    layout = JAZZY.types["std_msgs/msg/MultiArrayLayout"]([], 0)
    command = bytes(JAZZY.serialize_cdr(JAZZY.types[array](layout, np.zeros(2)), array))
    with Mcap(tmp_path / "bag.mcap") as mcap:
        mcap.channel("/joint_states", STATE)
        mcap.channel("/cmd", array)
        for index in range(4):
            time_ns = START_NS + index * STEP_NS
            mcap.write("/joint_states", time_ns, state(time_ns, 0.1, 0.2))
            mcap.write("/cmd", time_ns + 1, command)
    replay(tmp_path / "bag.mcap", "--lockstep")
    assert "all 4 recorded commands came before any action\n" in capsys.readouterr().out


def test_a_plan_that_is_refused_is_not_counted_as_one(
    model: Recorder, replay: Callable[..., tuple[int, Any]], tmp_path: Path
) -> None:
    model.answer = np.full((10, 2), np.nan)
    status, report = replay(states_in(tmp_path / "bag.mcap", 8), "--lockstep")
    assert model.asked == list(range(8))
    assert (report["invalid_plans"], report["executed"], status) == (8, 0, 1)
    assert report["latency_ms"] == {}


def test_a_sample_too_early_for_the_others_is_no_failure(
    model: Recorder, replay: Callable[..., tuple[int, Any]], tmp_path: Path, capsys: Any
) -> None:
    text = CONTRACT.replace(
        "keys:", "keys:\n    hand: {topic: hand, type: sensor_msgs/msg/JointState, joints: [c]}"
    )
    with Mcap(tmp_path / "bag.mcap") as mcap:
        mcap.channel("/joint_states", STATE)
        mcap.channel("/hand", STATE)
        for index in range(10):
            time_ns = START_NS + index * STEP_NS
            if index >= 3:
                mcap.write("/hand", time_ns - 1, state(time_ns - 1, 0.5, names=("c",)))
            mcap.write("/joint_states", time_ns, state(time_ns, index / 100, 0.0))
    status, report = replay(tmp_path / "bag.mcap", "--lockstep", text=text)
    assert (status, report["not_ready"], report["refused"]) == (0, 3, 0)
    assert report["executed"] == 7 == len(model.asked)
    assert "not asked for want of a sample: 3 times" in capsys.readouterr().out


def test_a_field_that_the_recorded_definition_lacks_is_named(
    model: Recorder, replay: Callable[..., tuple[int, Any]], tmp_path: Path
) -> None:
    """Humble's Range has no variance yet."""
    text = CONTRACT.replace(
        "state: {topic: joint_states, type: sensor_msgs/msg/JointState, joints: [a, b]}",
        "state: {topic: range, type: sensor_msgs/msg/Range, select: [range, variance]}",
    )
    with Mcap(tmp_path / "bag.mcap") as mcap:
        mcap.channel("/range", RANGE, definition(RANGE, HUMBLE))
        message = HUMBLE.types[RANGE](header(HUMBLE, START_NS), 1, 0.5, 0.1, 4.0, 1.5)
        mcap.write("/range", START_NS, bytes(HUMBLE.serialize_cdr(message, RANGE)))
    status, report = replay(tmp_path / "bag.mcap", "--lockstep", text=text)
    assert (status, report["refused"], model.asked) == (1, 1, [])
    told = "the recorded message has no 'variance': its definition is another one"
    assert told in report["last_error"]


@pytest.mark.parametrize("with_clock", [True, False])
def test_a_simulation_recorded_by_the_machines_clock_is_replayed(
    with_clock: bool,
    model: Recorder,
    replay: Callable[..., tuple[int, Any]],
    tmp_path: Path,
    capsys: Any,
) -> None:
    with Mcap(tmp_path / "bag.mcap") as mcap:
        mcap.channel("/joint_states", STATE)
        mcap.channel("/clock", CLOCK)
        for index in range(25):
            time_ns = START_NS + index * STEP_NS
            if with_clock:
                mcap.write("/clock", time_ns, clock(10**9 + index * STEP_NS))
            mcap.write("/joint_states", time_ns, state(10**9 + index * STEP_NS, index / 100, 0.0))
    status, report = replay(tmp_path / "bag.mcap", "--lockstep")
    assert (status, report["executed"]) == (0, 25) and model.asked == list(range(25))
    name = "/clock" if with_clock else "the stamps of the messages"
    assert report["clock"] == name
    assert f"the robot's clock is that of {name}" in capsys.readouterr().out


def test_frames_of_a_simulation_alone_tell_its_clock_too(
    model: Recorder, replay: Callable[..., tuple[int, Any]], tmp_path: Path
) -> None:
    pytest.importorskip("tf2_msgs.msg", reason="message packages of others: make peers")
    with Mcap(tmp_path / "bag.mcap") as mcap:
        mcap.channel("/tf_static", FRAMES)
        mcap.channel("/tf", FRAMES)
        mcap.write("/tf_static", START_NS, frame(0, "tool", "wrist", 1.0))
        for index in range(25):
            stamp_ns, time_ns = 10**9 + index * STEP_NS, START_NS + index * STEP_NS
            mcap.write("/tf", time_ns, frame(stamp_ns, "wrist", "base", index / 100 - 1.0))
    state = "{topic: joint_states, type: sensor_msgs/msg/JointState, joints: [a, b]}"
    contract = CONTRACT.replace(state, "{tf: {frame: tool, in: base}}")
    status, report = replay(tmp_path / "bag.mcap", "--lockstep", text=contract)
    assert (status, report["executed"], report["clock"]) == (0, 25, "the stamps of the messages")
    assert model.asked == list(range(25))


@pytest.mark.parametrize("pace", [["--lockstep"], ["--speed", "4"]])
def test_a_simulators_reset_is_a_new_episode_for_the_model(
    pace: list[str], model: Recorder, replay: Callable[..., tuple[int, Any]], tmp_path: Path
) -> None:
    """Recorded by simulated time, the two lives lie at the same times."""
    with Mcap(tmp_path / "bag.mcap") as mcap:
        mcap.channel("/joint_states", STATE)
        for life in range(2):
            for index in range(40):
                time_ns = 10**9 + index * STEP_NS
                mcap.write("/joint_states", time_ns, state(time_ns, life + index / 100, 0.0))
    status, report = replay(tmp_path / "bag.mcap", *pace)
    assert (status, report["episodes"]) == (0, 2)
    assert model.asked == sorted(model.asked)
    lives = [number >= 100 for number in model.asked]
    assert [epoch > model.epochs[0] for epoch in model.epochs] == lives and any(lives)
    if pace == ["--lockstep"]:
        assert len(model.asked) == report["executed"] == 80


def test_an_hour_without_messages_is_skipped(
    model: Recorder, replay: Callable[..., tuple[int, Any]], tmp_path: Path
) -> None:
    with Mcap(tmp_path / "bag.mcap") as mcap:
        mcap.channel("/joint_states", STATE)
        for index in range(6):
            time_ns = START_NS + index * STEP_NS + (index >= 3) * 3600 * 10**9
            mcap.write("/joint_states", time_ns, state(time_ns, index / 100, 0.0))
    status, report = replay(tmp_path / "bag.mcap", "--speed", "1")
    assert (status, report["episodes"]) == (0, 1)
    assert report["wall_s"] < 60 and model.asked[-1] == 5 and report["action_ticks"] < 60


def test_a_long_replay_says_how_far_it_is(
    replay: Callable[..., tuple[int, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "EVERY_S", 0.01)
    with Mcap(tmp_path / "bag.mcap") as mcap:
        mcap.channel("/joint_states", STATE)
        for index in range(4):
            time_ns = START_NS + index * 2 * STEP_NS
            mcap.write("/joint_states", time_ns, state(time_ns, index / 100, 0.0))
    replay(tmp_path / "bag.mcap", "--speed", "1")
    assert "75 % of the recording, " in capsys.readouterr().err


def test_a_topic_that_cannot_be_decoded_is_refused_with_the_reason(
    replay: Callable[..., tuple[int, Any]], tmp_path: Path, capsys: Any
) -> None:
    with Mcap(tmp_path / "bag.mcap") as mcap:
        mcap.channel("/joint_states", STATE, encoding="json", language="jsonschema")
        mcap.write("/joint_states", START_NS, b"{}")
    with pytest.raises(FileNotFoundError):  # there are no figures
        replay(tmp_path / "bag.mcap", "--lockstep")
    told = "observation.keys.state.topic: /joint_states (sensor_msgs/msg/JointState): its messages"
    assert told in capsys.readouterr().err


URDF = """<robot name="r">
  <joint name="a" type="revolute"><limit lower="-0.5" upper="0.5" velocity="9" effort="1"/></joint>
  <joint name="b" type="revolute"><limit lower="-1" upper="1" velocity="100" effort="1"/></joint>
</robot>"""
LIMITED = CONTRACT.replace("kind: position}", "kind: position, limits: urdf}")


def recorded(folder: Path, contract: str = CONTRACT, description: str = "") -> Path:
    """As `inferential record` writes it, of the robot /arm, whose joint states are elsewhere.

    description: that came on /robot_description.
    """
    writer = BagWriter(folder)
    if contract:
        path = folder.with_suffix(".yaml")
        path.write_text(contract)
        attach_contract(writer, path)
        Provenance("m", "1.0", "/arm", ("joint_states:=/body/states",)).write(writer)
        Provenance("m", "2.0", "/arm", ("joint_states:=/body/states",)).write(writer)
    if description:
        writer.add("/robot_description", TEXT)
        message = JAZZY.types[TEXT](description)
        writer.write("/robot_description", START_NS, bytes(JAZZY.serialize_cdr(message, TEXT)))
    writer.add("/body/states", STATE)
    for index in range(5):
        time_ns = START_NS + index * STEP_NS
        writer.write("/body/states", time_ns, state(time_ns, index / 100, 0.0))
    writer.close()
    return folder


def test_a_recording_brings_its_contract_and_the_models_version(
    model: Recorder, replay: Callable[..., tuple[int, Any]], tmp_path: Path, capsys: Any
) -> None:
    status, report = replay(recorded(tmp_path / "bag"), "--lockstep", text="")
    assert (status, report["executed"]) == (0, 5) and model.asked == list(range(5))
    assert (report["recorded_model_version"], report["model_versions"]) == ("2.0", ["2.1"])
    assert "model version now: 2.1; when the robot was recorded: 2.0" in capsys.readouterr().out


def test_a_recording_without_a_contract_or_with_a_broken_one_says_so(tmp_path: Path) -> None:
    with open_bag(recorded(tmp_path / "none", "")) as bag:
        with pytest.raises(BagError, match="brings no contract: name one by --contract FILE"):
            contract_for(bag, "", "")
    with open_bag(recorded(tmp_path / "broken", "model: {}")) as bag:
        told = r"(?s)the contract in the recording: .*--contract FILE"
        with pytest.raises(BagError, match=told):
            contract_for(bag, "", "")


@pytest.mark.parametrize("source", ["topic", "file"])
def test_limits_of_the_robots_own_description_come_with_the_recording(
    source: str, tmp_path: Path
) -> None:
    if source == "topic":
        bag = recorded(tmp_path / "bag", LIMITED, URDF)
    else:
        (tmp_path / "robot.xml").write_text(URDF)
        bag = recorded(tmp_path / "bag", f"urdf: robot.xml\n{LIMITED}")
        (tmp_path / "robot.xml").unlink()
    with open_bag(bag) as opened:
        contract = contract_for(opened, "", "/arm")
    assert contract.action.outputs[0].limits.lower == (-0.5, -1.0)
    with open_bag(recorded(tmp_path / "without", LIMITED)) as opened:
        with pytest.raises(BagError, match="/robot_description is not in the recording"):
            contract_for(opened, "", "/arm")
