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
    """A Ray cluster that can be stopped and started again at the same address.

    Nodes may join it, and be taken away: raylets of their own, as on other machines.
    """

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")
        self._nodes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, cpus: int = 2) -> None:
        options = {"port": self.port, "include-dashboard": "false", "temp-dir": self._folder}
        head = self._start("head", "--head", num_cpus=cpus, **options)
        end = time.monotonic() + START_S
        while socket.socket().connect_ex(("127.0.0.1", self.port)):
            if time.monotonic() > end or head.poll() is not None:
                raise RuntimeError("the head node did not start")
            time.sleep(0.1)

    def join(self, name: str) -> None:
        """Start a node with two resources of one: its name, and `seat`.

        Deployments can ask for them. Two nodes do not start at once: Ray mixes up their files.
        """
        self._start(
            name,
            address=self.address,
            num_cpus=1,
            resources=json.dumps({name: 1, "seat": 1}),
            min_worker_port=0,  # any, as the nodes share a machine
            max_worker_port=0,
            dashboard_agent_listen_port=0,
        )

    def pids(self) -> set[int]:
        """Of what starts the nodes."""
        return {node.pid for node in self._nodes.values()}

    def runs(self, name: str, pid: int) -> bool:
        """Whether a process is one of a node's."""
        return pid in descendants(self._nodes[name].pid)

    def _start(self, name: str, *switches: str, **options: object) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
        options |= {"node-ip-address": "127.0.0.1", "object-store-memory": 200_000_000}
        command = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start"]
        command += ["--block", *switches]
        command += [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
        self._nodes[name] = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self._nodes[name]

    def take_away(self, name: str) -> None:
        """A node takes its leave, and ends everything that runs on it."""
        node = self._nodes.pop(name)
        node.terminate()
        node.wait(START_S)

    def kill(self, name: str) -> None:
        """As when a machine dies: everything of a node is killed at once."""
        node = self._nodes.pop(name)
        for pid in [node.pid, *descendants(node.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        node.wait()

    def stop(self) -> None:
        """As a crash of the whole cluster."""
        for name in list(self._nodes):
            self.kill(name)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not looked after yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in b"ZX"
    except OSError:
        return False
