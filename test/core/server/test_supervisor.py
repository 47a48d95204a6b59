"""What a server and a bridge tell systemd, through a socket that stands in for it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferential_core.process.supervisor import Supervisor

ROOT = Path(__file__).parents[3]
LONG_S = 60.0


class StandIn:
    """A socket as systemd's; `heard` waits for the next datagram."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.settimeout(LONG_S)

    def heard(self) -> str:
        return self._socket.recv(4096).decode()

    def environment(self, watchdog_s: float) -> dict[str, str]:
        """Of the process that is supervised."""
        path = os.pathsep.join(sys.path)
        usec = str(int(1e6 * watchdog_s))
        told = {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": usec, "PYTHONPATH": path}
        return {**os.environ, **told}

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[StandIn]:
    stand_in = StandIn(tmp_path)
    yield stand_in
    stand_in.close()


def test_a_server_is_ready_lives_and_says_that_it_stops(tmp_path: Path, systemd: StandIn) -> None:
    (tmp_path / "echo.py").write_text("def echo(obs):\n    return obs\n")
    words = ["serve", "--dispatcher", "local", "--model", "policy=echo:echo"]
    process = subprocess.Popen(
        [sys.executable, "-m", "inferential_core.cli", *words, "--bind", "tcp://127.0.0.1:*"],
        cwd=tmp_path,
        env=systemd.environment(0.2),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        ready, status = systemd.heard().split("\n")
        assert ready == "READY=1"
        assert re.fullmatch(r"STATUS=serving policy on tcp://127\.0\.0\.1:\d+", status)
        assert [systemd.heard() for _ in range(3)] == ["WATCHDOG=1"] * 3
        process.send_signal(signal.SIGTERM)
        while (word := systemd.heard()) != "STOPPING=1":
            assert word == "WATCHDOG=1"
        assert process.wait(LONG_S) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_bridge_tells_the_same(tmp_path: Path, systemd: StandIn) -> None:
    pytest.importorskip("rclpy", reason="ROS 2 is missing")
    pytest.importorskip("inferential.msg", reason="the built messages are missing")
    (tmp_path / "arm.yaml").write_text(
        "robot: arm\n"
        "model: {id: policy}\n"
        "observation: {trigger: {on: s}, keys: {s: {topic: s, type: std_msgs/msg/Float32}}}\n"
        "action: {names: [a], rate_hz: 10, outputs:"
        " [{topic: a, type: std_msgs/msg/Float64MultiArray, kind: position}]}\n"
    )
    words = ["-p", f"contract_file:={tmp_path / 'arm.yaml'}", "-p", "sample_timeout:=0.0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "inferential_ros.bridge_node", "--ros-args", *words],
        env=systemd.environment(0.2),
        stderr=subprocess.PIPE,
    )
    try:
        assert systemd.heard() == "READY=1\nSTATUS=/inference_bridge runs"
        assert [systemd.heard() for _ in range(3)] == ["WATCHDOG=1"] * 3
        process.send_signal(signal.SIGTERM)
        while (word := systemd.heard()) != "STOPPING=1":
            assert word == "WATCHDOG=1"
        assert process.wait(LONG_S) == 0
    finally:
        process.kill()
        process.communicate()


def test_the_watchdog_of_another_process_is_not_fed(
    systemd: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.path)
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert Supervisor().period_s == 0.0
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert Supervisor().period_s == 0.5


def test_nobody_hears_anything_where_nobody_supervises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Supervisor().ready("serves")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    Supervisor().ready("serves")


def test_the_units_name_commands_and_options_that_there_are() -> None:
    units = ROOT / "config" / "systemd"
    if not units.is_dir():
        pytest.skip("the tests do not stand in a checkout")
    server = (units / "inferential-server.service").read_text()
    from inferential_core.cli.serve_options import parser

    (command,) = re.findall(r"^ExecStart=\S+/inferential serve (.*)$", server, re.MULTILINE)
    assert parser().parse_args(command.split()).config == "server.yaml"
    bridge = (units / "inferential-bridge@.service").read_text()
    assert "lib/inferential/bridge_node --ros-args" in bridge
    assert all("Type=notify" in unit and "WatchdogSec=" in unit for unit in (server, bridge))
