"""Two servers, each a process of its own, whose model tells which of them answered.

Run as a program, this module forks servers on demand, so that each starts in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil

from inferential_core import (
    Connection,
    InferentialConfig,
    LocalDispatcher,
    Model,
    Reply,
    Server,
    Status,
)

LONG_S = 20.0


class ServerFork:
    """Starts servers; for a module of tests."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **what: Any) -> int:
        """`serve`: the number of the new process; `reap`: how a process ended."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps(what), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def close(self) -> None:
        """Start none any more."""
        self.process.communicate()


class ServerProcess:
    """A server that can be killed, stopped and started again at its address."""

    def __init__(self, fork: ServerFork, number: int, **config: Any) -> None:
        self._fork = fork
        self._number, self._config = number, config
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        self.seconds = 0.0  # that a call of its model takes, from the next start on
        self._pid = 0

    def start(self) -> None:
        """Start it; returns once it can be connected to."""
        config = {"transport": {"bind": self.address}, "http": {"bind": "off"}, **self._config}
        self._pid = self._fork.ask(serve=[self._number, self.seconds, config])
        host, _, port = self.address.removeprefix("tcp://").rpartition(":")

        def listens() -> bool:
            try:
                socket.create_connection((host, int(port))).close()
            except ConnectionRefusedError:
                return False
            return True

        until(listens, f"{self.address} listens")

    def send(self, what: signal.Signals) -> None:
        """Send it a signal; one that stops it has done so when this returns."""
        os.kill(self._pid, what)
        if what is signal.SIGSTOP:
            process = psutil.Process(self._pid)
            until(lambda: process.status() == psutil.STATUS_STOPPED, "it is stopped")

    def wait(self) -> int:
        """How it ends: the exit code, or minus the signal."""
        pid, self._pid = self._pid, 0
        return self._fork.ask(reap=pid)

    def end(self, what: signal.Signals = signal.SIGKILL) -> None:
        """End it, if it runs, by a signal."""
        if self._pid:
            self.send(what)
            self.send(signal.SIGCONT)
            self.wait()


def ask(model: Model, steps: int | None = None) -> Reply:
    """Ask once, and wait for how that ends."""
    model.observe(steps_remaining=steps, x=np.zeros(3, np.float32))
    reply = model.get_reply(timeout_ms=1000 * LONG_S)
    assert reply is not None and reply.status is not Status.WAITING, reply
    return reply


def which(reply: Reply) -> int:
    """The number of the server that answered; 0 where none did."""
    return 0 if reply.result is None else int(reply.result["which"])


def until(found: Callable[[], Any], what: str) -> None:
    """Ask again and again until something is so."""
    end = time.monotonic() + LONG_S
    while not found():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def connection(*servers: ServerProcess, **options: Any) -> Connection:
    """A connection that may ask these servers."""
    return Connection([server.address for server in servers], client_id="robot", **options)


def serve(number: int, seconds: float, config: dict[str, Any]) -> None:
    """Serve until SIGTERM."""
    calls: dict[str, int] = {}

    def infer(obs: Any, context: Any) -> dict[str, Any]:
        time.sleep(seconds)
        begins = context.first_of_episode
        calls[context.client_id] = 1 if begins else calls.get(context.client_id, 0) + 1
        return {"which": np.float64(number), "nth": np.float64(calls[context.client_id])}

    models = LocalDispatcher({"policy": infer})
    asyncio.run(Server(config=InferentialConfig(**config), dispatcher=models).run())


def main() -> None:
    """Start servers as told, until stdin ends."""
    out = os.dup(1)
    os.dup2(2, 1)
    for line in sys.stdin:
        what = json.loads(line)
        if "reap" in what:
            answer = os.waitstatus_to_exitcode(os.waitpid(what["reap"], 0)[1])
        else:
            answer = os.fork()
            if not answer:
                os.close(out)
                code = 1
                try:
                    serve(*what["serve"])
                    code = 0
                finally:
                    os._exit(code)
        os.write(out, f"{answer}\n".encode())


if __name__ == "__main__":
    main()
