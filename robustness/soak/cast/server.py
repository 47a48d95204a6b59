"""The server of a soak: nothing is tuned, page and metrics are on. Tells what is inside of it."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Any

import numpy as np

from benchmarks.processes import listen, tell
from inferential_core import InferentialConfig, LocalDispatcher, Server

OUTCOMES = ("ok", "expired", "superseded", "dropped", "rejected", "errors")
CHUNK = (50, 7)


class Policy:
    """A new chunk for each, as a real model makes."""

    def infer_batch(self, observations: list[Any]) -> list[Any]:
        return [np.full(CHUNK, obs["x"][0], np.float32) for obs in observations]


def tasks() -> int:
    """Of all event loops of this process."""
    return sum(isinstance(each, asyncio.Task) and not each.done() for each in gc.get_objects())


def main() -> None:
    """Serve until stdin ends."""
    config = InferentialConfig(
        transport={"bind": "tcp://127.0.0.1:0"}, http={"bind": "127.0.0.1:0"}
    )
    dispatcher = LocalDispatcher({"policy": Policy()})
    with Server(config=config, dispatcher=dispatcher) as server:
        tell({"address": server.address, "page": server.page})
        for _ in listen():
            status = server.status()
            ended = sum(status[name] for name in OUTCOMES)
            waiting = status["queued"] + status["in_flight"]
            tell({"exact": status["received"] == ended + waiting, "tasks": tasks()})


if __name__ == "__main__":
    sys.exit(main())
