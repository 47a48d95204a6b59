"""Our server and our client, as users run them: nothing is tuned.

ours.py server [batching] [keys=FOLDER], ours.py client [keys=FOLDER]
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
from measuring import ANSWER, SdkClient, answer_questions, say_address

from inferential_core import Connection


class Batching:
    """A model that takes many observations in one call."""

    def infer_batch(self, observations: list[Any]) -> list[Any]:
        return [ANSWER] * len(observations)


def serve(batching: bool, keys: str) -> None:
    from inferential_core import InferentialConfig, LocalDispatcher, Server

    config = InferentialConfig(security={"keys": keys})
    dispatcher = LocalDispatcher({"policy": Batching() if batching else lambda obs: ANSWER})
    with Server("tcp://127.0.0.1:0", config=config, dispatcher=dispatcher) as server:
        say_address(server.address)
        for _ in sys.stdin:  # whoever started it asks how it is
            status = server.status()
            status["clients"] = len(status["clients"])
            print(json.dumps(status), flush=True)


def connect(address: str, array: np.ndarray, keys: str) -> SdkClient:
    if not keys:
        return SdkClient(Connection(address), array)
    files = {"key": f"{keys}/client.key_secret", "server_key": f"{keys}/server.key"}
    return SdkClient(Connection(address, "client", **files), array)


if __name__ == "__main__":
    part, *words = sys.argv[1:]
    folder = "".join(word.removeprefix("keys=") for word in words if word.startswith("keys="))
    if part == "server":
        serve("batching" in words, folder)
    else:
        answer_questions(lambda address, array: connect(address, array, folder))
