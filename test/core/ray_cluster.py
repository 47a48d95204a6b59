"""The tests' side of `ray_rig/cluster.py`: a cluster one can command."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

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
        self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)
