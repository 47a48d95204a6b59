"""The demo over ROS 2, but short: two robots, their bridges, one server, DDS, and the director."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

for module in ("rclpy", "inferential", "mujoco"):
    pytest.importorskip(module, reason="the demo needs ROS 2, the built messages and MuJoCo")

RUN = "import sys; from inferential_core.cli import main; sys.exit(main(sys.argv[1:]))"
PATIENCE_S = 90.0


@pytest.fixture
def demo(tmp_path: Path):
    """Starts `inferential demo --ros` with two robots; its scratch folder is under tmp_path."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        (tmp_path / "scratch").mkdir()
        command = [sys.executable, "-c", RUN, "demo", "--ros", "--robots", "2", "--plain"]
        popen = subprocess.Popen(
            [*command, "--report", str(tmp_path / "report.png"), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TMPDIR": str(tmp_path / "scratch")},
            start_new_session=True,
        )
        started.append(popen)
        return popen

    yield start
    for popen in started:
        if popen.poll() is None:
            popen.kill()
        popen.communicate()


def read_until(popen: subprocess.Popen[str], text: str) -> str:
    """What it says up to and with the line that holds `text`."""
    assert popen.stdout is not None
    said, deadline = b"", time.monotonic() + PATIENCE_S
    while text.encode() not in said:
        assert select.select([popen.stdout], [], [], max(0.0, deadline - time.monotonic()))[0], (
            said
        )
        chunk = os.read(popen.stdout.fileno(), 4096)
        assert chunk, f"it ended without saying {text!r}: {said.decode()}"
        said += chunk
    return said.decode()


def robots_on(page: str) -> set[str]:
    """The robots that the fleet's page shows."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{page}/api/status", timeout=PATIENCE_S) as answer:
        clients = json.load(answer)["clients"]
    return {client["id"] for client in clients if client["state"] != "visitor"}


def test_the_robots_go_on_where_that_is_asked_for(demo, tmp_path: Path) -> None:
    run = demo("--seconds", "3", "--no-slowdown", "--keep")
    said = read_until(run, "the robots go on")
    assert (tmp_path / "report.png").exists()
    (page,) = re.findall(r"page, until Ctrl-C: (\S+)", said)
    assert robots_on(page) == {"robot_1", "robot_2"}
    run.send_signal(signal.SIGINT)
    rest, _ = run.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in rest


def left_in(scratch: Path) -> list[Path]:
    """What a run left, but for the folder of the user's control sockets, which others share."""
    return [each for each in scratch.rglob("*") if each != scratch / f"inferential-{os.getuid()}"]


def test_two_robots_stand_and_the_run_is_told_and_drawn(demo, tmp_path: Path) -> None:
    run = demo("--seconds", "6", "--no-slowdown", "--http", "off")
    said, _ = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 0, said
    assert "2 of 2 robots stood" in said and "page" not in said
    hits, judged = map(int, re.findall(r"whole run: (\d+) of (\d+)", said)[0])
    assert 0 < hits <= judged
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
    assert left_in(tmp_path / "scratch") == []


def test_a_slow_model_makes_them_fall_and_a_fast_one_lets_them_stand_again(demo) -> None:
    run = demo("--seconds", "14")
    said, _ = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 0, said
    assert re.search(r"the first robot fell at \d+ ms added", said), said
    assert "model fast again" in said


def test_ctrl_c_ends_it_with_a_summary_and_leaves_nothing(demo, tmp_path: Path) -> None:
    run = demo("--seconds", "60", "--no-slowdown")
    said = read_until(run, "== model fast")
    (page,) = re.findall(r"the fleet's page, .*: (http://127\.0\.0\.1:\d+)", said)
    assert robots_on(page) == {"robot_1", "robot_2"}
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 130, said
    assert "stopped early" in said
    assert "Traceback" not in said
    assert left_in(tmp_path / "scratch") == []


def test_ctrl_c_while_the_processes_still_start_ends_it_without_a_traceback(demo) -> None:
    run = demo()
    said = read_until(run, "ROS_DOMAIN_ID")
    run.send_signal(signal.SIGINT)
    rest, _ = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 130, said + rest
    assert "Traceback" not in said + rest


def test_what_is_missing_is_said_in_one_line(demo) -> None:
    code = f"import sys; sys.modules['mujoco'] = None; {RUN}"
    run = subprocess.run(
        [sys.executable, "-c", code, "demo", "--ros"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert run.returncode == 2
    assert "mujoco" in run.stdout and len(run.stdout.splitlines()) == 1
