"""A server with its page: told over stdin what to record, it answers what it used so far."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from measuring import ANSWER

from inferential_core import InferentialConfig, LocalDispatcher, Server


class Batching:
    """A model that takes many observations in one call."""

    def infer_batch(self, observations: list[Any]) -> list[Any]:
        return [ANSWER] * len(observations)


def told(server: Server) -> dict[str, Any]:
    status = server.status()
    return {
        "bind": server.address,
        "page": server.page,
        "cpu_s": sum(os.times()[:2]),
        "received": status["received"],
        "outcomes": sum(
            status[name]
            for name in ("ok", "expired", "superseded", "dropped", "rejected", "errors")
        ),
    }


def main() -> None:
    config = InferentialConfig(http={"bind": "127.0.0.1:0"})
    dispatcher = LocalDispatcher({"policy": Batching()})
    with Server("tcp://127.0.0.1:0", config=config, dispatcher=dispatcher) as server:
        print(json.dumps(told(server)), flush=True)
        for line in sys.stdin:
            metrics = server.config.metrics.model_copy(update=json.loads(line))
            server.reconfigure(server.config.model_copy(update={"metrics": metrics}))
            print(json.dumps(told(server)), flush=True)


if __name__ == "__main__":
    main()
