"""The quick start, the guide to operations, moving and the configuration: their snippets run."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import runpy
import select
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from documented import ROOT, blocks, commands, text_of

from inferential_core import ConfigError, InferentialConfig, Server
from inferential_core.cli import COMMANDS
from inferential_core.config import load_config
from inferential_core.status import SERVER_OUTCOMES

SOON_S = 30.0  # a bound, not a duration


def run(folder: Path, name: str, text: str) -> dict[str, Any]:
    """The names a program has after it ran."""
    path = folder / name
    path.write_text(text)
    return runpy.run_path(str(path))


# --- quick start ---


@contextlib.contextmanager
def serving(folder: Path, line: str) -> Iterator[str]:
    """Its server as a process on another port; yields the address."""
    words = [*shlex.split(line)[1:], "--bind=tcp://127.0.0.1:*", "--http=off"]
    process = subprocess.Popen(
        [sys.executable, "-m", "inferential_core.cli", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], SOON_S)[0]
        said = process.stdout.readline()
        assert said.startswith("serving policy on tcp://127.0.0.1:"), said
        yield said.split()[3]
    finally:
        process.terminate()
        process.communicate()


def test_the_server_and_the_client_of_the_quick_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = text_of("quickstart.md")
    model, client = blocks(page, "python")
    (tmp_path / "my_policy.py").write_text(model)
    (line,) = [each for each in commands(page) if "--dispatcher local" in each]
    with serving(tmp_path, line) as address:
        assert "tcp://127.0.0.1:5555" in client
        run(tmp_path, "ask.py", client.replace("tcp://127.0.0.1:5555", address))
    said = capsys.readouterr().out
    assert said.count("ok ") == 3 and said.count("(50, 7)") == 3, said


# --- moving ---


def test_the_snippets_of_moving_run_as_one_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = blocks(text_of("moving.md"), "python")
    begin, *rest = parts
    program = [begin, "server.start()", *rest, "told = server.status()", "server.stop()"]
    names = run(tmp_path, "moved.py", "\n\n".join(program))
    said = capsys.readouterr().out
    assert "(7,)" in said and "ok " in said
    assert names["told"]["strategy"] == "deadline_aware"
    assert {client["id"] for client in names["told"]["clients"]} == {"agent-01", "agent-02"}


@pytest.mark.parametrize(
    "tree",
    [
        {"scheduling": {"model_deadline": {}}},
        {"scheduling": {"max_concurrent_dispatch": 8}},
        {"scheduling": {"pipeline_dispatch": {}}},
        {"scheduling": {"predictive_pre_dispatch": {}}},
        {"models": {}},
        {"observations": {}},
    ],
)
def test_settings_without_a_counterpart_are_found(tree: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="unknown key"):
        InferentialConfig(**tree)


# --- operations ---


def test_the_estimate_of_the_capacity_is_what_the_page_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = text_of("operations.md")
    (block,) = blocks(page, "python")
    names = run(tmp_path, "capacity.py", block)
    assert f"That is {names['robots']} for a policy" in page


def test_the_settings_of_the_page_can_be_loaded(tmp_path: Path) -> None:
    for page in ("operations.md", "configuration.md"):
        for block in blocks(text_of(page), "yaml"):
            (tmp_path / "server.yaml").write_text(block)
            load_config(tmp_path / "server.yaml", environ={})


def test_the_service_starts_what_there_is() -> None:
    assert "inferential-server.service" in text_of("operations.md")
    unit = (ROOT / "config" / "systemd" / "inferential-server.service").read_text()
    line = re.search(r"ExecStart=\S+/inferential (\w+) ", unit)
    assert line is not None and line[1] in COMMANDS


def source() -> str:
    """All code, texts that go over several lines joined."""
    files = [*(ROOT / "inferential_core").rglob("*.py"), *(ROOT / "inferential_ros").rglob("*.py")]
    text = "\n".join(file.read_text() for file in files)
    return re.sub(r'"\s*\n\s*f?"', "", text)


def test_every_error_of_the_page_is_one_that_the_code_can_tell() -> None:
    page = text_of("operations.md").split("## Errors and what they want")[1]
    code = source() + os.strerror(errno.EADDRINUSE)
    for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE):
        for message in re.findall(r"`([^`]+)`", row):
            pieces = [piece for piece in re.split(r"'?[…\[\]]+'?", message) if len(piece) > 3]
            for piece in pieces:
                assert piece.strip() in code, piece


def test_the_names_to_look_at_are_there() -> None:
    page = text_of("operations.md").split("## What to look at")[1].split("\n## ")[0]
    code = source()
    for name in re.findall(r"`(\w+)`", page):
        assert f'"{name}"' in code or f".{name}" in code or f"{name}:" in code, name


def test_every_outcome_is_in_the_concepts() -> None:
    page = text_of("concepts.md")
    for outcome in SERVER_OUTCOMES:
        assert f"| {str(outcome).upper()} |" in page


# --- nodes ---


def test_the_parameters_of_the_nodes_are_those_they_declare() -> None:
    table = text_of("nodes.md").split("| node | parameter |")[1].split("\n## ")[0]
    column = " ".join(re.findall(r"^\|[^|]*\|([^|]*)\|", table, re.MULTILINE))
    code = "".join(file.read_text() for file in (ROOT / "inferential_ros").glob("*.py"))
    declared = re.findall(r'declare\w*\(\s*self,\s*"(\w+)"', code)
    assert set(re.findall(r"`(\w+)`", column)) == set(declared)


# --- configuration ---


def test_the_mistakes_of_the_page_are_told_like_that(tmp_path: Path) -> None:
    (shown,) = blocks(text_of("configuration.md"), "text")
    lines = shown.splitlines()
    file = tmp_path / "server.yaml"
    file.write_text("# a fleet\n\nscheduling:\n  request_ttl_ms: soon\n  max_retrys: 1\n")
    with pytest.raises(ConfigError) as caught:
        load_config(file, {"INFERENTIAL_SCHEDULING__MAX_BATCH": "1"})
    told = str(caught.value).replace(f"{tmp_path}/", "").splitlines()
    assert told == lines


def test_the_snippets_of_the_configuration_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = text_of("configuration.md")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "server.yaml").write_text(blocks(page, "yaml")[0])
    names = run(tmp_path, "configured.py", "\n\n".join(blocks(page, "python")))
    assert isinstance(names["server"], Server)
    assert names["waiting_for_restart"] == []
    assert not names["server"].config.clients.accept_unknown
