"""The models of server.yaml are loaded, replaced and unloaded when the file is saved."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inferential_core import Connection, InferentialConfig, LocalDispatcher, Server
from inferential_core.config import command_config
from inferential_core.dispatch.factory import choose
from inferential_core.server import preflight
from inferential_core.server.model_wishes import wishes

pytest.importorskip("watchdog")
LONG_MS = 20_000

MODELS = """
import numpy as np

class One:
    version = "1"
    def infer(self, observation):
        return {"actions": np.ones((1, 1))}

class Two(One):
    version = "2"

class Broken:
    def __init__(self):
        raise OSError("no such weights")
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "yaml_models.py").write_text(MODELS)
    sys.modules.pop("yaml_models", None)
    file = tmp_path / "server.yaml"
    file.write_text("dispatch: {models: {arm: 'yaml_models:One', leg: 'yaml_models:One'}}\n")
    return file


@pytest.fixture
def server(file: Path) -> Iterator[Server]:
    told = {"bind": "tcp://127.0.0.1:0", "http": "off"}
    config = command_config(file, **told)
    server = Server(config=config, dispatcher=choose(config, dispatcher="local").dispatcher)
    server.follow(file, lambda file: preflight.checked(command_config(file, **told)))
    with server:
        yield server


def wait_until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + LONG_MS / 1000
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def version(server: Server, model: str) -> str:
    with Connection(server.address, client_id="robot") as connection:
        handle = connection.model(model, latency_budget_ms=LONG_MS)
        handle.observe(x=np.zeros(1))
        return handle.get_reply(timeout_ms=LONG_MS).model_version


def test_a_saved_file_changes_the_models(server: Server, file: Path) -> None:
    file.write_text(
        "dispatch: {models: {arm: 'yaml_models:Two', hand: 'yaml_models:One'}}\n"
        "local: {lanes: {hand: 3}}\n"
        "limits: {max_tensors: 7}\n"
    )
    wait_until(lambda: server.status()["config"]["generation"] == 2)
    assert {each["id"]: each["lanes"] for each in server.status()["models"]} == {
        "arm": 1,
        "hand": 3,
    }
    assert (version(server, "arm"), version(server, "hand")) == ("2", "1")
    assert server.status()["config"]["needs_restart"] == []
    assert server.config.limits.max_tensors == 7


def test_a_model_that_cannot_be_loaded_refuses_the_whole_file(
    server: Server, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text(
        "dispatch: {models: {arm: 'yaml_models:Two', hand: 'yaml_models:Broken'}}\n"
        "limits: {max_tensors: 7}\n"
    )
    wait_until(lambda: server.status()["config"]["refused"])
    assert "model 'hand' is not loaded" in server.status()["config"]["refused"]
    assert server.status()["config"]["refused"].endswith("no such weights (yaml_models.py:14)")
    assert [each["id"] for each in server.status()["models"]] == ["arm", "leg"]
    assert version(server, "arm") == "1"
    assert server.config.limits.max_tensors != 7
    wait_until(lambda: "is not applied" in caplog.text)
    ours = [each for each in caplog.records if each.name.startswith("inferential_core")]
    assert [each.levelname for each in ours].count("ERROR") == 1


def wished(before: dict[str, Any], after: dict[str, Any], *served: str) -> list[tuple[Any, ...]]:
    dispatcher = LocalDispatcher({model_id: lambda obs: obs for model_id in served})
    found = wishes(InferentialConfig(**before), InferentialConfig(**after), dispatcher)
    return [(each.kind, each.model_id, each.model, dict(each.options)) for each in found]


def test_what_differs_is_changed_and_nothing_else() -> None:
    one = {"dispatch": {"models": {"arm": "a:A", "leg": "b:B"}}}
    assert wished(one, one, "arm", "leg") == []
    two = {"dispatch": {"models": {"leg": "c:C"}}}
    assert wished(one, two, "arm", "leg") == [
        ("unloading", "arm", None, {}),
        ("replacing", "leg", "c:C", {}),
    ]
    options = {**one, "local": {"lanes": {"leg": 2}, "process": ["arm"], "timeout_s": 30.0}}
    assert wished(one, options, "arm", "leg") == [
        ("replacing", "arm", "a:A", {"process": True}),
        ("replacing", "leg", "b:B", {"lanes": 2}),
    ]
    assert wished(one, options, "other") == []  # the models were named elsewhere


def test_models_that_a_command_line_names_win_over_the_file(file: Path) -> None:
    told: dict[str, Any] = {"models": {"arm": "yaml_models:Two"}, "local": {"lanes": 2}}
    before = command_config(file, **told)
    file.write_text("dispatch: {models: {arm: 'yaml_models:One'}}\nlocal: {lanes: 5}\n")
    after = command_config(file, **told)
    assert before.dispatch.models == {"arm": "yaml_models:Two"} == after.dispatch.models
    dispatcher = LocalDispatcher({"arm": lambda obs: obs})
    assert list(wishes(before, after, dispatcher)) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("local: {lanes: {arn: 2}}", "local: lanes for 'arn', which is none of ['arm']"),
        ("local: {process: [arn]}", "local: process for 'arn', which is none of ['arm']"),
        ("security: {keys: nowhere}", "nowhere"),
    ],
)
def test_what_a_server_would_not_start_with_is_not_applied_either(
    server: Server, file: Path, line: str, told: str
) -> None:
    file.write_text(f"dispatch: {{models: {{arm: 'yaml_models:One'}}}}\n{line}\n")
    wait_until(lambda: server.status()["config"]["refused"])
    assert told in server.status()["config"]["refused"]
    assert version(server, "leg") == "1"
