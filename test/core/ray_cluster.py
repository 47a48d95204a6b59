"""The tests' side of `ray_rig/cluster.py`: a cluster one can command."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.processes import descendants

SCRIPT = Path(__file__).parent / "ray_rig" / "cluster.py"
START_S = 90.0


class Cluster:
    """A Ray cluster with Serve, of the tests' own; or, with an address, somebody else's."""

    def __init__(self, address: str | None = None) -> None:
        # Short: Ray puts the paths of sockets below it, which may have 107 characters.
        self._folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *([address] if address else [])],
            env={**os.environ, "RAY_RIG_FOLDER": self._folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.address: str = self._read(START_S)

    def __getattr__(self, name: str) -> Any:
        def command(**arguments: Any) -> Any:
            line = json.dumps([name, arguments]) + "\n"
            assert self.process.stdin is not None
            self.process.stdin.write(line.encode())
            self.process.stdin.flush()
            answer = self._read(60.0)
            if "error" in answer:
                raise RuntimeError(answer["error"])
            return answer["answer"]

        return command

    def _read(self, timeout_s: float) -> Any:
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], timeout_s)[0]:
            raise TimeoutError("the cluster's process does not answer")
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the cluster's process ended: {self.process.wait(10)}")
        return json.loads(line)

    def pids(self, app: str) -> set[int]:
        """Of the replicas that run."""
        return {each["pid"] for each in self.replicas(app=app) if each["state"] == "RUNNING"}

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        started = descendants(self.process.pid)
        self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        for pid in started:  # helpers of Ray take long to notice its end
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)


class Head:
    """A Ray cluster of one node that can be stopped and started again at the same address."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
        arguments = {
            "node-ip-address": "127.0.0.1",
            "port": self.port,
            "num-cpus": 2,
            "include-dashboard": "false",
            "object-store-memory": 200_000_000,
            "temp-dir": self._folder,
        }
        command = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start"]
        command += ["--head", "--block", *(f"--{key}={value}" for key, value in arguments.items())]
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + START_S
        while socket.socket().connect_ex(("127.0.0.1", self.port)):
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError("the head node did not start")
            time.sleep(0.1)

    def stop(self) -> None:
        """As a crash: everything of it is killed at once."""
        if self.process is not None:
            for pid in [self.process.pid, *descendants(self.process.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not looked after yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in b"ZX"
    except OSError:
        return False
