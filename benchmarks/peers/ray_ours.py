"""Our server in front of a Ray cluster: ray_ours.py ADDRESS. Or, without one, of a local model."""

from __future__ import annotations

import sys
import time

from measuring import ANSWER, say_address

from inferential_core import LocalDispatcher, Server
from inferential_core.dispatch import Dispatcher
from inferential_core.dispatch.ray_serve import RayServeDispatcher


class Batching:
    """What the cluster has under this name."""

    def infer_batch(self, observations):
        return [ANSWER] * len(observations)


def main(address: str = "") -> None:
    """Serve until stdin ends."""
    dispatcher: Dispatcher
    if address:
        dispatcher = RayServeDispatcher(["single", "batching"], address=address)
    else:
        dispatcher = LocalDispatcher({"single": lambda obs: ANSWER, "batching": Batching()})
    with Server("tcp://127.0.0.1:0", dispatcher=dispatcher) as server:
        while any(model.unavailable for model in dispatcher.models().values()):
            time.sleep(0.1)
        say_address(server.address)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
