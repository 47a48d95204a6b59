"""Our server and our client, as users run them: nothing is tuned."""

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


def serve(batching: bool = False) -> None:
    from inferential_core import LocalDispatcher, Server

    dispatcher = LocalDispatcher({"policy": Batching() if batching else lambda obs: ANSWER})
    with Server("tcp://127.0.0.1:0", dispatcher=dispatcher) as server:
        say_address(server.address)
        for _ in sys.stdin:  # whoever started it asks how it is
            status = server.status()
            status["clients"] = len(status["clients"])
            print(json.dumps(status), flush=True)


class OurClient(SdkClient):
    def __init__(self, address: str, array: np.ndarray) -> None:
        super().__init__(Connection(address), array)


if __name__ == "__main__":
    if sys.argv[1] == "server":
        serve("batching" in sys.argv[2:])
    else:
        answer_questions(OurClient)
