"""A folder of keys as `inferential keys` makes it, and a server and clients that use it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inferential_core import Connection, InferentialConfig, LocalDispatcher, Reply, Server
from inferential_core import cli as command

LONG_MS = 20_000  # a bound, not a delay


class Keys:
    """`robot_1` and `robot_2` are authorized, `stranger` has a key and is not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run("new", "server")
        self.run("new", "robot_1", "--authorize")
        self.run("new", "robot_2", "--authorize")
        self.run("new", "stranger")

    def run(self, *arguments: str) -> None:
        """The command as it is documented."""
        assert command.main(["keys", *arguments, "--keys", str(self.folder)]) == 0

    def of(self, name: str) -> dict[str, Path]:
        """What a client called so is configured with."""
        return {
            "key": self.folder / f"{name}.key_secret",
            "server_key": self.folder / "server.key",
        }


class Fleet:
    """A server with keys, and models `policy` and `other` that say what they got."""

    def __init__(self, keys: Keys, **sections: Any) -> None:
        self.keys = keys
        self.answer = threading.Event()  # a gate in the model
        self.answer.set()
        self.seen: list[float] = []
        models = LocalDispatcher({"policy": self._infer, "other": self._infer})
        config = InferentialConfig(security={"keys": str(keys.folder)}, **sections)
        self.server = Server("tcp://127.0.0.1:0", config=config, dispatcher=models)

    def _infer(self, obs: dict[str, Any]) -> dict[str, Any]:
        self.seen.append(float(obs["x"][0]))
        assert self.answer.wait(LONG_MS / 1000)
        return {"actions": obs["x"]}

    def __enter__(self) -> Fleet:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.set()
        self.server.stop()

    def client(self, name: str, **options: Any) -> Connection:
        """A robot that speaks as `name` with the key of that name."""
        options = {"client_id": name, "reconnect_max_ms": 100, **self.keys.of(name), **options}
        return Connection(self.server.address, **options)

    @property
    def security(self) -> dict[str, Any]:
        return self.server.status()["security"]

    def wait_for_refused_handshake(self, reasons: Sequence[str]) -> dict[str, int]:
        """Until the operator sees one that was refused for one of these reasons."""
        deadline = time.monotonic() + LONG_MS / 1000
        while not any(map((seen := self.security["handshakes_by_reason"]).get, reasons)):
            assert time.monotonic() < deadline, seen
            time.sleep(0.01)
        return seen


def ask(connection: Connection, model: str = "policy", x: float = 1.0) -> Reply:
    """One observation and how it ended."""
    handle = connection.model(model)
    handle.observe(x=np.float32([x]))
    reply = handle.get_reply(LONG_MS)
    assert reply is not None, "neither an answer nor a reason"
    return reply
