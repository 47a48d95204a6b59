"""What a server's settings cannot be is told before its models are made, which takes minutes."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferential_core.cli import main

SERVE = ["serve", "--dispatcher=local", "--model=policy=takes_minutes:Policy"]
SERVE += ["--bind=tcp://127.0.0.1:*"]  # unless it is told otherwise


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "takes_minutes.py").write_text("raise SystemExit('the model is being made')\n")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--strategy deadlineaware", "did you mean 'deadline_aware'"),
        ("--bind tcp://0.0.0.0:5555", "and there are no keys"),
        ("--bind tcp://127.0.0.1:TAKEN", "Address already in use: another program has it"),
        ("--bind tcp://203.0.113.7:5555 --allow-insecure", "this machine has no such address"),
        ("--http nonsense", "http.bind 'nonsense': write HOST:PORT"),
        ("--http 0.0.0.0:5580", "set http.token_file"),
        ("--http 127.0.0.1:TAKEN", "Address already in use"),
        ("--bind tcp://127.0.0.1:TAKEN --http 127.0.0.1:TAKEN", "give each a port of its own"),
        ("--door openp=127.0.0.1:8000", "did you mean 'openpi'"),
        ("--door openpi=0.0.0.0:8000", "by clients without a token"),
        ("--door openpi=127.0.0.1:TAKEN", "Address already in use"),
        ("--keys nowhere", "nowhere: No such file"),
    ],
)
def test_a_setting_that_cannot_be_is_told_before_a_model_is_made(
    words: str, told: str, folder: Path, taken: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SERVE, *words.replace("TAKEN", str(taken)).split()]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line and "is being made" not in line


def test_settings_that_can_be_are_not_in_the_way(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*SERVE, "--http=off"])
    assert "the model is being made" in capsys.readouterr().err
