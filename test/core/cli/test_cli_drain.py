"""`inferential drain`, as its user calls it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from inferential_core import Connection, Status

LONG_S = 60.0

MODEL = """
import time

def slow(obs):
    time.sleep(0.5)
    return obs
"""


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "inferential_core.cli", *words]


@contextmanager
def serving(folder: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server with a slow model, and its address."""
    (folder / "slow_model.py").write_text(MODEL)
    process = subprocess.Popen(
        command("serve", "--model", "policy=slow_model:slow", "--bind", "tcp://127.0.0.1:*"),
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "XDG_RUNTIME_DIR": str(folder),
            "INFERENTIAL_DISPATCH__DISPATCHER": "local",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.communicate()


def drain(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("drain", *words),
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "XDG_RUNTIME_DIR": str(folder),
        },
        capture_output=True,
        text=True,
        timeout=LONG_S,
    )


def test_what_the_server_has_is_answered_and_it_ends_well(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, address), Connection(address) as robot:
        model = robot.model("policy")
        model.observe(x=np.ones(1))
        assert model.get_reply(timeout_ms=100).status is Status.WAITING  # the model is at it
        ended = drain(tmp_path)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith("drained in")
        assert process.wait(LONG_S) == 0
        reply = model.get_reply(timeout_ms=1000 * LONG_S)
        assert reply is not None and reply.status is Status.OK


def test_a_robot_that_does_not_go_is_waited_for_so_long_as_is_set(tmp_path: Path) -> None:
    with serving(tmp_path, INFERENTIAL_TRANSPORT__DRAIN_S="0.5") as (process, address):
        with Connection([address, "tcp://127.0.0.1:1"], client_id="arm") as robot:
            model = robot.model("policy")
            model.observe(x=np.ones(1))
            assert model.get_result(1000 * LONG_S) is not None
            ended = drain(tmp_path)  # the robot has nowhere to go
            assert ended.returncode == 3
            assert "not drained after" in ended.stdout
            out, err = process.communicate(timeout=LONG_S)
            assert process.returncode == 0
            assert "not drained after 0.5 s: 1 clients have not gone" in err


def test_a_second_sigterm_ends_a_server_that_drains_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, INFERENTIAL_TRANSPORT__DRAIN_S="600") as (process, address):
        with Connection([address, "tcp://127.0.0.1:1"], client_id="arm") as robot:
            model = robot.model("policy")
            model.observe(x=np.ones(1))
            assert model.get_result(1000 * LONG_S) is not None
            process.send_signal(signal.SIGTERM)
            told = threading.Event()
            while not told.is_set():
                robot.wait(100)
                if robot._socket._active.draining:
                    told.set()
            process.send_signal(signal.SIGTERM)
            assert process.wait(LONG_S) == 0


def test_without_a_server_it_says_so(tmp_path: Path) -> None:
    ended = drain(tmp_path)
    assert ended.returncode == 1
    assert "no server of this user runs on this machine" in ended.stderr


def test_it_says_that_it_takes_one_server(tmp_path: Path) -> None:
    ended = drain(tmp_path, "--server", "tcp://127.0.0.1:5555,tcp://127.0.0.1:5556")
    assert ended.returncode == 1
    assert "name one server, as this command takes only one" in ended.stderr
