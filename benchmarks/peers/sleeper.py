"""A real server with one model that sleeps L(b) for a batch of b: `sleeper.py '{...}'`."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
from measuring import say_address

from inferential_core import InferentialConfig, LocalDispatcher, Server


class Sleeper:
    """Its latency is that of a workload."""

    def __init__(self, horizon: int, fixed_s: float, each_s: float) -> None:
        self._chunk = np.zeros((horizon, 7), np.float32)
        self._fixed_s = fixed_s
        self._each_s = each_s

    def infer_batch(self, observations: list[Any]) -> list[Any]:
        time.sleep(self._fixed_s + self._each_s * len(observations))
        return [self._chunk] * len(observations)


def main(
    model: dict[str, float], horizon: int, max_batch: int, scheduling: dict[str, Any]
) -> None:
    dispatcher = LocalDispatcher({"policy": Sleeper(horizon, **model)}, max_batch=max_batch)
    config = InferentialConfig(transport={"bind": "tcp://127.0.0.1:0"}, scheduling=scheduling)
    with Server(config=config, dispatcher=dispatcher) as server:
        say_address(server.address)
        sys.stdin.read()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
