"""docs/models.md: its snippets run, and what it says of them is so."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inferential_core import Connection, InferentialConfig, LocalDispatcher, Server, Status
from inferential_core.cli import model_changes, profile
from inferential_core.cli.model import ACTIONS
from inferential_core.cli.serve_options import parser
from inferential_core.config import load_config
from inferential_core.tracking.models import BreakerRule
from inferential_ros.bringup.arguments import SERVER_ARGUMENTS

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "models.md").read_text()
LONG_MS = 20_000


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """All Python of the page, as one module that a process can import as well."""
    (tmp_path / "my_policies.py").write_text("\n\n".join(blocks("python")))
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("my_policies")
    del sys.modules["my_policies"]


def ask(address: str, model_id: str, client: str = "robot", **values: Any) -> Any:
    with Connection(address, client_id=client) as connection:
        model = connection.model(model_id)
        model.observe(**(values or {"joints": np.ones(7, np.float32)}))
        return model.get_reply(LONG_MS)


def test_the_models_of_the_page_answer(page: Any) -> None:
    with page.server as server:
        reply = ask(server.address, "hold")
        assert (reply.result["actions"].shape, reply.result["mode"]) == ((50, 7), "hold")
        reply = ask(server.address, "policy")
        assert (reply.result["actions"].shape, reply.model_version) == ((50, 7), "2024-05")
    models = {"greet": page.greet, "linear": page.Linear(), "recurrent": page.Recurrent()}
    with Server("tcp://127.0.0.1:0", dispatcher=LocalDispatcher(models)) as server:
        assert ask(server.address, "greet").result["told"] == "hello, robot"
        assert ask(server.address, "linear").result["actions"].tolist() == [[0.5] * 7]
        with Connection(server.address) as connection:
            model = connection.model("recurrent")
            told = []
            for _ in range(2):
                model.observe(joints=np.ones(7))
                told.append(float(model.get_result(LONG_MS)["actions"][0]))
            model.reset()
            model.observe(joints=np.ones(7))
            told.append(float(model.get_result(LONG_MS)["actions"][0]))
        assert told == [1.0, pytest.approx(1.9), 1.0]


def test_the_dispatcher_of_the_page_checks_and_runs_in_processes(page: Any) -> None:
    with Server("tcp://127.0.0.1:0", dispatcher=page.dispatcher) as server:
        status = {model["id"]: model for model in server.status()["models"]}
        assert (status["arm"]["lanes"], status["arm"]["max_batch"]) == (2, 16)
        assert ask(server.address, "slow").result["actions"].shape == (50, 7)
        assert ask(server.address, "arm").status is Status.OK
        reply = ask(server.address, "arm", joints=np.ones(6, np.float32))
        assert reply.status is Status.REJECTED
        assert f"`{reply.error}`" in PAGE
        reply = ask(server.address, "amr")
        assert reply.status is Status.REJECTED and "did you mean 'arm'" in reply.error
        for name in ("latency_s", "error_rate", "last_error", "replicas", "circuit"):
            assert name in status["arm"] and f"`{name}`" in PAGE


def test_the_configurations_of_the_page_are_understood(tmp_path: Path) -> None:
    configs = []
    for number, block in enumerate(blocks("yaml")):
        (tmp_path / f"{number}.yaml").write_text(block)
        configs.append(load_config(tmp_path / f"{number}.yaml"))
    lease, local, health = configs
    assert local.local.process == ["slow"] and local.local.timeout_s == {"slow": 2.0}
    assert lease.lease.granted_ms("policy", 0.0) == 400.0
    assert lease.lease.granted_ms("other", 0.0) == 1000.0
    assert BreakerRule.of(health.health) == BreakerRule.of(InferentialConfig().health)
    assert BreakerRule.of(health.health) == BreakerRule()


def test_the_commands_of_the_page_are_understood() -> None:
    block, changes, profiling = blocks("bash")
    words = shlex.split(profiling)
    assert words[:2] == ["inferential", "profile"]
    assert profile.parser().parse_args(words[2:]).deadline_ms == 500.0
    for line in changes.strip().splitlines():
        _, model, action, *words = shlex.split(line, comments=True)
        assert (model, action in ACTIONS) == ("model", True)
        request = model_changes.request_of(action, model_changes.parser(action).parse_args(words))
        assert request["model"] in ("hold", "arm")
    command, launch = block.strip().splitlines()
    assert launch.startswith("ros2 launch inferential server.launch.py ")
    given = {word.partition(":=")[0] for word in launch.split()[4:]}
    assert given <= {argument.name for argument in SERVER_ARGUMENTS}
    words = shlex.split(command)
    assert words[:2] == ["inferential", "serve"]
    options = parser().parse_args(words[2:])
    assert (options.model, options.process) == (["slow=my_policies:Policy"], ["slow"])
    assert (options.lanes, options.timeout) == (2, 2.0)


def test_the_files_named_are_there() -> None:
    for name in re.findall(r"`((?:examples|test|docs)/[\w/.]+)`", PAGE):
        assert (ROOT / name).exists(), name
