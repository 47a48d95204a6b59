"""The examples run as they stand, in processes of their own, against each other."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"
LONG_S = 60


def port_is_free() -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", 5555)) != 0


def start(*command: str, folder: Path = ROOT) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_client() -> str:
    client = start(sys.executable, str(EXAMPLES / "client.py"))
    output, _ = client.communicate(timeout=LONG_S)
    assert client.returncode == 0, output
    return output


def stop(process: subprocess.Popen) -> str:
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=LONG_S)
    return output


@pytest.mark.parametrize(
    ("name", "lacking", "told"),
    [
        ("door_gr00t", "msgpack", "pip install msgpack msgpack-numpy"),
        ("door_lerobot", "lerobot", r"pip install 'lerobot\[async\]'"),
        ("door_openpi", "openpi_client", "pip install openpi-client"),
        ("go1_herd", "mujoco", "pip install mujoco"),
        ("go1_policy", "onnx", "pip install onnx onnxruntime"),
        ("ray_serve", "ray", r"pip install 'ray\[serve\]'"),
        ("torch_policy", "torch", "pip install torch"),
    ],
)
def test_an_example_says_in_a_line_what_it_lacks(
    name: str, lacking: str, told: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, lacking, None)  # as if it were not installed
    with pytest.raises(SystemExit, match=f"{lacking}.*: {told}"):
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")


# One test, as both servers want the port that the README names.
def test_server_and_client_of_the_readme_work_as_they_stand():
    if not port_is_free():
        pytest.skip("something else listens on port 5555 of this machine")
    server = start(sys.executable, str(EXAMPLES / "server.py"))
    try:
        # the client waits for the server as long as it takes to start
        answered = next(out for _ in range(30) if "no result" not in (out := run_client()))
        assert "(50, 7) from policy-v2" in answered
    finally:
        output = stop(server)
    assert "Client arm-1:" in output

    serve = [sys.executable, "-m", "inferential_core.cli", "serve"]
    server = start(
        *serve, "--dispatcher", "local", "--model", "policy-v2=batching:Policy", folder=EXAMPLES
    )
    try:
        said = [server.stdout.readline() for _ in range(2)]  # where models run, and who serves
        assert "serving policy-v2 on tcp://127.0.0.1:5555" in "".join(said)
        assert "(50, 7) from policy-v2" in run_client()
    finally:
        stop(server)
    assert server.returncode == 0
