"""A server of the isolation benchmark: `server.py LIMITS_JSON`; ends with its stdin."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from benchmarks.processes import listen, tell
from inferential_core import InferentialConfig, LocalDispatcher, Server

CHUNK = np.zeros((50, 7), np.float32)


class Policy:
    """Takes no time, so that what others cost shows."""

    def infer_batch(self, observations: list[Any]) -> list[Any]:
        return [CHUNK] * len(observations)


class Picture:
    """100 KB for everybody."""

    def infer(self, obs: Any) -> Any:
        return np.zeros(100_000, np.uint8)


def main(limits: str) -> None:
    """Serve; every question is answered with the status."""
    config = InferentialConfig(transport={"bind": "tcp://127.0.0.1:0"}, limits=json.loads(limits))
    dispatcher = LocalDispatcher({"policy": Policy(), "picture": Picture()})
    with Server(config=config, dispatcher=dispatcher) as server:
        tell(server.address)
        for _ in listen():
            status = server.status()
            status["clients"] = len(status["clients"])
            tell(status)


if __name__ == "__main__":
    main(*sys.argv[1:])
