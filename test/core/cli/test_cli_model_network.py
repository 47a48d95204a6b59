"""Operators change the models of a server elsewhere: by a key's right, from the named folders."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fleet_keys import LONG_MS, Fleet, Keys, ask

from inferential_core import Server
from inferential_core import cli as command
from inferential_core.control.caller import CannotControl
from inferential_core.control.network import NetworkControl
from inferential_core.control.operator import OperatorConnection
from inferential_core.security.authorization import Authorization

MODELS = """
import threading
loaded = []
may_load = threading.Event()

class New:
    version = "new"
    def __init__(self):
        loaded.append(self)
    def infer(self, observation):
        return {"actions": observation["x"]}

class Slow(New):
    def __init__(self):
        super().__init__()
        assert may_load.wait(20)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the operator lets models come from."""
    made = tmp_path / "models"
    made.mkdir()
    (made / "permitted_models.py").write_text(MODELS)
    return made


@pytest.fixture
def fleet(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """A server with keys; `robot_1` may change models that begin with `arm`."""
    monkeypatch.syspath_prepend(folder)
    sys.modules.pop("permitted_models", None)
    keys = Keys(tmp_path / "keys")
    keys.run("authorize", "robot_1", "--change", "arm*")
    with Fleet(keys, control={"folders": [str(folder)]}) as fleet:
        yield fleet


def said(capsys: pytest.CaptureFixture[str], fleet: Fleet, who: str, *words: str) -> Any:
    keys = [word for name, file in fleet.keys.of(who).items() for word in (name, str(file))]
    options = [w if w.startswith("/") else "--" + w.replace("_", "-") for w in keys]
    code = command.main(["model", *words, "--server", fleet.server.address, *options])
    return code, capsys.readouterr().err


def models(server: Server) -> set[str]:
    return {model["id"] for model in server.status()["models"]}


def test_whoever_has_the_right_loads_replaces_and_unloads(fleet: Fleet, capsys: Any) -> None:
    assert said(capsys, fleet, "robot_1", "load", "arm=permitted_models:New")[0] == 0
    with fleet.client("robot_2") as robot:
        assert ask(robot, "arm").model_version == "new"
    assert said(capsys, fleet, "robot_1", "replace", "arm=permitted_models:New")[0] == 0
    assert said(capsys, fleet, "robot_1", "unload", "arm")[0] == 0
    assert models(fleet.server) == {"policy", "other"}


@pytest.mark.parametrize(
    ("who", "words", "reason"),
    [
        (
            "robot_2",
            ["unload", "policy"],
            "the key of 'robot_2' may not change the model 'policy'",
        ),
        (
            "robot_1",
            ["unload", "policy"],
            "keys authorize robot_1 --change 'arm*' --change 'policy'",
        ),
        ("robot_1", ["load", "arm=os:getcwd"], "in none of the folders from which models may be"),
        ("robot_1", ["unload", "arm"], "model 'arm' is not served"),
        ("stranger", ["unload", "arm"], "the server refuses this key"),
    ],
)
def test_whoever_has_not_is_told_why_and_nothing_changes(
    who: str, words: list[str], reason: str, fleet: Fleet, capsys: Any
) -> None:
    code, told = said(capsys, fleet, who, *words)
    assert code == 1 and reason in told
    assert models(fleet.server) == {"policy", "other"}
    refused = fleet.security["observations_by_reason"].get("model change not granted", 0)
    assert refused == ("may not change" in reason or "--change" in reason)


def test_with_a_key_the_environment_may_name_the_server(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERENTIAL_SERVER", fleet.server.address)
    keys = fleet.keys.of("robot_1")
    files = ["--key", str(keys["key"]), "--server-key", str(keys["server_key"])]
    assert command.main(["model", "load", "arm=permitted_models:New", *files]) == 0
    assert models(fleet.server) == {"policy", "other", "arm"}


def test_what_a_server_elsewhere_needs_is_told(fleet: Fleet, capsys: Any) -> None:
    assert command.main(["model", "unload", "arm", "--server", "tcp://10.0.0.1:5555"]) == 1
    told = capsys.readouterr().err
    assert "no server" in told and "a server elsewhere is asked with --key" in told
    assert command.main(["model", "unload", "arm", "--key", "operator.key_secret"]) in (1, 2)
    assert "name the one server to change: --server ADDRESS" in capsys.readouterr().err


def test_a_right_that_is_taken_away_is_gone_at_once(fleet: Fleet) -> None:
    with closing(OperatorConnection(fleet.server.address, **fleet.keys.of("robot_1"))) as operator:
        change = {"do": "unload", "model": "arm"}
        with pytest.raises(CannotControl, match="arm"):  # there is none, but the key is let in
            operator.change(change)
        fleet.keys.run("revoke", "robot_1")
        fleet.server.reload_rights()
        with pytest.raises(CannotControl, match="this key is not authorized any more"):
            operator.change(change)


def test_a_change_goes_on_once_however_often_it_is_asked_for(fleet: Fleet) -> None:
    import permitted_models

    asked = []

    class Repeating(OperatorConnection):
        def _asked(self, request: str) -> dict[str, Any]:
            asked.append(request)
            if len(asked) == 3:
                permitted_models.may_load.set()
            return super()._asked(request)

    request = {"do": "load", "model": "arm", "target": "permitted_models:Slow"}
    with closing(Repeating(fleet.server.address, **fleet.keys.of("robot_1"))) as operator:
        operator.change(request)
    assert len(asked) >= 3 and len(permitted_models.loaded) == 1
    assert "arm" in models(fleet.server)


class Changing:
    """A server whose changes take until they may end."""

    def __init__(self) -> None:
        self.changed: list[str] = []
        self.may_end = threading.Event()

    def load_model(self, model_id: str, model: Any, **options: Any) -> None:
        raise AssertionError

    def replace_model(self, model_id: str, model: Any, **options: Any) -> None:
        raise AssertionError

    def unload_model(self, model_id: str) -> None:
        self.changed.append(model_id)
        assert self.may_end.wait(LONG_MS / 1000)


class Anything(Authorization):
    def why_no_change(self, key: str, model_id: str) -> str:
        return ""


def test_requests_without_end_fill_nothing() -> None:
    server = Changing()
    control = NetworkControl(server, Anything(), list)

    def asked(ticket: int) -> dict[str, Any]:
        request = {"do": "unload", "model": "arm", "ticket": ticket}
        answer: dict[str, Any] = json.loads(control.answer(json.dumps(request), "key"))
        return answer

    answers = [asked(ticket) for ticket in range(10)]
    assert answers[3] == {"doing": True} and "are under way" in answers[4]["error"]
    server.may_end.set()
    for ticket in range(200):
        until = time.monotonic() + LONG_MS / 1000
        while "done" not in asked(ticket) and time.monotonic() < until:
            time.sleep(0.001)
    assert len(control._jobs) <= 64 and len(server.changed) == 200


@pytest.mark.parametrize(
    "text",
    ["", "[" * 9000, "[]", "{}", '{"do": "drain"}', '{"do": "unload"}', "1" * 20_000, '"x"'],
)
def test_what_is_no_request_is_told(text: str) -> None:
    control = NetworkControl(Changing(), Anything(), list)
    assert "this request cannot be read" in json.loads(control.answer(text, ""))["error"]


def test_a_server_without_keys_lets_nobody(tmp_path: Path) -> None:
    from inferential_core import LocalDispatcher

    with Server(
        "tcp://127.0.0.1:0", dispatcher=LocalDispatcher({"arm": lambda obs: obs})
    ) as server:
        with closing(OperatorConnection(server.address)) as operator:
            with pytest.raises(CannotControl, match="this server has no keys"):
                operator.change({"do": "unload", "model": "arm"})
        assert models(server) == {"arm"}
