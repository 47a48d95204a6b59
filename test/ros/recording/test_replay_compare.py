"""`inferential replay --compare` says in words, column by column, how two models differ."""

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
    CONTRACT,
    JAZZY,
    START_NS,
    STATE,
    STEP_NS,
    Mcap,
    definition,
    header,
    state,
    states_in,
    time_of,
)
from rosbags.typesys import get_types_from_msg

from inferential_core import LocalDispatcher, Server
from inferential_core.cli import main
from inferential_ros.recording import counterparts
from inferential_ros.recording.verdicts import compare

ROOT = Path(__file__).parents[3]
CHUNK = "inferential/msg/ActionChunk"
H = 5


def served(obs: dict[str, Any]) -> np.ndarray:
    """Column a moves on from where the joint is, column b turns with it."""
    a = obs["state"][0] + np.arange(H) / 100
    return np.stack([a, np.sin(9 * a)], axis=1)


def in_degrees(obs: dict[str, Any]) -> np.ndarray:
    return served(obs) * [np.pi / 180, 1.0]


class Noisy:
    """A model that answers the same observation differently each time."""

    def __init__(self) -> None:
        self._chance = np.random.default_rng(0)

    def infer(self, obs: dict[str, Any]) -> np.ndarray:
        return served(obs) + self._chance.normal(0.0, 0.01, (H, 2))


def mute(obs: dict[str, Any]) -> np.ndarray:
    raise ValueError("I say nothing")


@pytest.fixture
def replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Replays a recording beside another model: exit status and figures."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    models = {"m": served, "old": in_degrees}
    server = Server("tcp://127.0.0.1:*", dispatcher=LocalDispatcher(models))
    server.start()
    contract, figures = tmp_path / "contract.yaml", tmp_path / "figures.json"
    contract.write_text(CONTRACT)

    def run(other: str, bag: Path | None = None) -> tuple[int, Any]:
        bag = bag or states_in(tmp_path / "bag.mcap", 40)
        other = other.format(address=server.address)
        line = ["replay", str(bag), "--server", server.address, "--json", str(figures)]
        status = main([*line, "--contract", str(contract), "--compare", other])
        return status, json.loads(figures.read_text())["compared"] if figures.exists() else None

    yield run
    server.stop()


def test_the_policys_own_answers_are_told_apart_by_column(
    replayed: Callable[..., Any], capsys: Any
) -> None:
    status, compared = replayed("test_replay_compare:in_degrees")
    assert (status, compared["answers"], compared["steps"]) == (0, 40, H)
    assert not compared["columns"]["a"]["same"] and compared["columns"]["b"]["same"]
    told = capsys.readouterr().out
    assert "40 answers of 5 steps compared with test_replay_compare:in_degrees: 1 of 2" in told
    assert "in degrees instead of radians (57.3 times as large)" in told


@pytest.mark.parametrize(("other", "same"), [("old", False), ("{address}", True)])
def test_a_model_of_a_server_may_be_the_other_one(
    other: str, same: bool, replayed: Callable[..., Any]
) -> None:
    status, compared = replayed(other)
    assert (status, compared["answers"]) == (0, 40)
    assert [column["same"] for column in compared["columns"].values()] == [same, True]


def test_a_policy_with_noise_is_told_from_one_that_is_wrong(replayed: Callable[..., Any]) -> None:
    _, compared = replayed("test_replay_compare:Noisy")
    for column in compared["columns"].values():
        assert "as far apart as two answers of test_replay_compare:Noisy" in column["verdict"]


def test_one_that_never_answers_is_a_failure_with_its_reason(
    replayed: Callable[..., Any], capsys: Any
) -> None:
    status, compared = replayed("test_replay_compare:mute")
    assert (status, compared["answers"], compared["columns"]) == (1, 0, {})
    assert "40 times: ValueError: I say nothing" in capsys.readouterr().out


def test_one_that_is_not_there_is_named(
    replayed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assert replayed("no_such_module:policy")[0:2] == (1, None)
    assert "cannot import 'no_such_module'" in capsys.readouterr().err
    assert replayed("older")[0:2] == (1, None)
    assert (
        "--compare older: the server gave no specification of 'older'" in capsys.readouterr().err
    )
    monkeypatch.setattr(counterparts, "CONTACT_S", 0.5)
    assert replayed("tcp://127.0.0.1:9")[0:2] == (1, None)
    assert "--compare tcp://127.0.0.1:9: no specification of 'm'" in capsys.readouterr().err


def with_plans(path: Path, count: int) -> Path:
    """States, and the plans that the robot got for every second one, with other column order."""
    store = JAZZY
    text = (ROOT / "msg" / "ActionChunk.msg").read_text()
    store.register(get_types_from_msg(text, CHUNK))
    with Mcap(path) as mcap:
        mcap.channel("/joint_states", STATE)
        mcap.channel("/action_chunk", CHUNK, definition(CHUNK))
        for index in range(count):
            stamp_ns = START_NS + index * STEP_NS
            mcap.write("/joint_states", stamp_ns, state(stamp_ns, index / 100, 0.2))
            if index % 2:
                continue
            rows = -served({"state": [np.float32(index / 100)]})[:, ::-1].astype(np.float32)
            nothing = store.types["builtin_interfaces/msg/Duration"](0, 0)
            chunk = store.types[CHUNK](
                header(store, stamp_ns), "r", "m", "1", index, 0, ["b", "a"], H, 2, rows.ravel(),
                time_of(store, stamp_ns), nothing, nothing,
            )  # fmt: skip
            mcap.write("/action_chunk", stamp_ns + 1, bytes(store.serialize_cdr(chunk, CHUNK)))
    return path


def test_a_version_is_compared_with_the_plans_in_the_recording(
    replayed: Callable[..., Any], tmp_path: Path, capsys: Any
) -> None:
    status, compared = replayed("recorded", with_plans(tmp_path / "bag.mcap", 20))
    assert (status, compared["answers"]) == (0, 10)
    assert compared["unanswered"] == {"the recorded robot did not ask at that moment": 10}
    verdicts = [column["verdict"] for column in compared["columns"].values()]
    assert verdicts == ["as the recording with the opposite sign"] * 2
    capsys.readouterr()
    assert replayed("recorded", states_in(tmp_path / "none.mcap", 3))[0] == 1
    assert "there are no plans on /action_chunk in the recording" in capsys.readouterr().err


def test_a_pace_does_not_go_with_a_comparison(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["replay", str(tmp_path), "--compare", "m", "--speed", "2"])


@pytest.mark.parametrize(
    ("makes", "verdict"),
    [
        (lambda x: x, "the same"),
        (lambda x: x + 1e-6, "the same"),
        (lambda x: x / 57.29578, "as it in radians instead of degrees (57.3 times smaller)"),
        (lambda x: 0.5 * x, "0.5 times it"),
        (lambda x: x + 2.0, "as it plus 2"),
        (lambda x: x[..., ::-1], "what {other} is in it"),
        (lambda x: np.roll(x, 2, axis=1), "2 steps behind it"),
        (lambda x: np.roll(x, -1, axis=1), "one step ahead of it"),
        (lambda x: 0.0 * x + 3.0, "always 3 here"),
        (lambda x: x * np.nan, "not a number here at times"),
    ],
)
def test_what_a_difference_looks_like(makes: Callable[[Any], Any], verdict: str) -> None:
    theirs = np.random.default_rng(1).normal(size=(50, 8, 2)).cumsum(axis=1)
    ours = makes(theirs)
    if "step" in verdict:  # what came in at the other end is no part of the shift
        theirs, ours = theirs[:, 2:-2], ours[:, 2:-2]
    columns = compare(ours, theirs, ["p", "q"], "it")
    for name, other in (("p", "q"), ("q", "p")):
        assert columns[name].verdict == verdict.format(other=other)


def test_what_nothing_explains_is_told_by_its_size() -> None:
    chance = np.random.default_rng(2)
    ours, theirs = chance.normal(size=(2, 100, 8, 1))
    assert compare(ours, theirs, ["p"], "it")["p"].verdict.startswith("differs by 1.4")
    near = compare(theirs + 0.01 * ours, theirs, ["p"], "it")["p"].verdict
    assert near.startswith("differs by 0.0101 rms, 0.1")
