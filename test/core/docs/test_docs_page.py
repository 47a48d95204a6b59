"""What docs/page.md shows works: its program, its commands and the names it says are told."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from web_client import ask

from inferential_core import Connection, LocalDispatcher, Server
from inferential_core import cli as command
from inferential_core.config import InferentialConfig

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "page.md"
TEXT = PAGE.read_text("utf-8") if PAGE.exists() else ""

pytestmark = [
    pytest.mark.skipif(not TEXT, reason="the documentation is not installed"),
    pytest.mark.skipif(find_spec("uvicorn") is None, reason="uvicorn is not installed"),
]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)


@pytest.fixture
def server() -> Iterator[Server]:
    config = InferentialConfig(http={"bind": "127.0.0.1:0"})
    dispatcher = LocalDispatcher({"policy": lambda obs: {"actions": np.zeros(2, np.float32)}})
    with Server("tcp://127.0.0.1:0", config=config, dispatcher=dispatcher) as server:
        yield server


def test_the_program_serves_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = blocks("python")
    program = program.replace(":5580", ":0").replace(":5555", ":0")
    exec(compile(program, str(PAGE), "exec"), {})
    assert capsys.readouterr().out.startswith("http://127.0.0.1:")


def test_the_commands_run_as_they_stand(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = []
    for line in "".join(blocks("bash")).splitlines():
        name, *arguments = shlex.split(line.partition("inferential ")[2]) or [""]
        if name not in ("status", "top", "bench"):
            continue
        if name == "bench":
            if find_spec("matplotlib") is None:
                continue
            arguments += ["--server", server.address, "--seconds", "0.2"]
        else:
            arguments += ["--server", server.page]
        if name == "top" and find_spec("rich") is None:
            continue
        assert command.main([name, *arguments]) == 0, line
        ran.append(name)
    assert "status" in ran


def test_the_names_it_says_are_told(server: Server) -> None:
    with Connection(server.address, client_id="arm-1") as connection:
        model = connection.model("policy")
        model.observe(x=np.zeros(2))
        assert model.get_result(timeout_ms=20_000) is not None
    told = ask(server.page, "/api/status").json()
    (row,) = re.findall(r"^\| `/api/status` \|(.*)$", TEXT, re.M)
    of_all, _, rest = row.partition("for each client")
    of_client, _, of_model = rest.partition("for each model")
    assert set(re.findall(r"`(\w+)`", of_all)) <= told.keys()
    assert set(re.findall(r"`(\w+)`", of_client)) <= told["clients"][0].keys()
    assert set(re.findall(r"`(\w+)`", of_model)) <= told["models"][0].keys()


def test_the_picture_is_there_and_small() -> None:
    (picture,) = re.findall(r"!\[.*?\]\((.*?)\)", TEXT)
    assert 10_000 < (PAGE.parent / picture).stat().st_size < 300_000
