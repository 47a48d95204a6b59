"""The server of a run, as `inferential serve` sets it up: `serving.py threads|processes|ray`.

It serves until its stdin ends; each line asks whether its counters add up.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from benchmarks.processes import listen
from inferential_core import InferentialConfig, LocalDispatcher, Server
from inferential_core.dispatch import Dispatcher
from inferential_core.dispatch.ray_serve import RayServeDispatcher
from inferential_core.log import formatting
from inferential_core.process.interpreter import keep_time
from robustness.slips import mistakes

TIMEOUT_S = {"threads": 0.3, "processes": 0.3, "ray": 1.0}  # of a call
SLIPPERY = {"one": mistakes.Slippery, "batch": mistakes.SlipperyBatch}
OUTCOMES = ("ok", "expired", "superseded", "dropped", "rejected", "errors")


def dispatcher_for(way: str) -> Dispatcher:
    """The slippery models in the place that is asked for, and the honest one.

    On Ray the honest model is a replica, too; otherwise it is on a thread of the server.
    """
    module = mistakes.__name__
    named = {name: f"{module}:{model.__name__}" for name, model in SLIPPERY.items()}
    limit = TIMEOUT_S[way]
    if way == "ray":
        named["honest"] = f"{module}:good"
        return RayServeDispatcher(deploy=named, address="local", timeout_s=limit)
    if way == "processes":
        models: dict[str, Any] = {**named, "honest": mistakes.good}
        return LocalDispatcher(models, process=list(named), timeout_s=limit)
    models = {name: model() for name, model in SLIPPERY.items()}
    return LocalDispatcher({**models, "honest": mistakes.good}, timeout_s=limit)


def main(way: str) -> None:
    """Serve, and account."""
    # A model that slips with each call opens its circuit, and then nothing would slip any more.
    config = InferentialConfig(
        transport={"bind": "tcp://127.0.0.1:0"},
        http={"bind": "off"},
        health={"failures": 1_000_000},
        scheduling={"max_retries": 0},
    )
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what models print is theirs

    def tell(what: Any) -> None:
        os.write(out, f"{json.dumps(what)}\n".encode())

    with formatting.setup(), Server(config=config, dispatcher=dispatcher_for(way)) as server:
        keep_time()
        tell(server.address)
        for _ in listen():
            status = server.status()
            ended = sum(status[name] for name in OUTCOMES)
            left = status["queued"] + status["in_flight"]
            tell({"exact": status["received"] == ended + left, "received": status["received"]})


if __name__ == "__main__":
    main(sys.argv[1])
