"""The server of a chaos run: `server.py BIND DOORS [RAY_ADDRESS [KEYS]]`.

Its model misbehaves when told. DOORS: JSON, where each kind of door listens. KEYS: its folder.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from benchmarks.processes import listen, tell
from inferential_core import InferentialConfig, LocalDispatcher, Server
from inferential_core.dispatch.base import Dispatcher
from robustness.chaos.cast import walltime
from robustness.chaos.cast.model import Picture, Tagged

CALL_TIMEOUT_S = 1.0  # a model that takes longer hangs
OUTCOMES = ("ok", "expired", "superseded", "dropped", "rejected", "errors")


def account(server: Server) -> dict[str, Any]:
    """What was received of each client, and whether the counters of one moment add up."""
    status = server.status()
    ended = sum(status[name] for name in OUTCOMES)
    exact = status["received"] == ended + status["queued"] + status["in_flight"]
    return {
        "exact": exact,
        "clients": {one["id"]: one["received"] for one in status["clients"]},
        "connected": sum(one["connected"] for one in status["clients"]),
    }


def main(bind: str, doors: str, ray_address: str = "", keys: str = "") -> None:
    """Serve until stdin ends."""
    walltime.install()
    tagged = Tagged()
    dispatcher: Dispatcher
    if ray_address:
        from inferential_core.dispatch.ray_serve import RayServeDispatcher

        dispatcher = RayServeDispatcher(["policy"], address=ray_address)
    else:
        models = {"policy": tagged, "picture": Picture()}
        dispatcher = LocalDispatcher(models, timeout_s=CALL_TIMEOUT_S)
    entries = [
        {"kind": kind, "bind": where, "model": "policy"}
        for kind, where in json.loads(doors).items()
    ]
    config = InferentialConfig(
        transport={"bind": bind},
        scheduling={"max_retries": 1},
        security={"keys": keys},
        doors=entries,
    )
    with Server(config=config, dispatcher=dispatcher) as server:
        tell(server.address)
        for question in listen():
            if "behave" in question:
                tagged.behave(question["behave"], question.get("victim", ""))
            if "drain" in question:
                tell(server.drain())
                return
            if "clock_s" in question:
                walltime.shift(question["clock_s"])
            tell(account(server))


if __name__ == "__main__":
    main(*sys.argv[1:])
