"""The published release's server and client, in its own environment; nothing is tuned.

published.py server [RAY_ADDRESS], published.py client
"""

from __future__ import annotations

import asyncio
import sys
import uuid

import inferential
import numpy as np
import zmq
from measuring import ANSWER, SdkClient, answer_questions, say


async def serve(ray_address: str = "") -> None:
    if ray_address:
        import ray

        ray.init(address=ray_address, log_to_driver=False, logging_level="error")
        models = {"models": ["single", "batching"]}
    else:
        models = {"dispatcher": inferential.LocalDispatcher({"policy": lambda obs: ANSWER})}
    server = inferential.Server("tcp://127.0.0.1:*", **models)
    running = asyncio.create_task(server.run())
    while server._transport is None:  # it offers no other way to learn the port
        await asyncio.sleep(0)
    say(server._transport._socket.getsockopt_string(zmq.LAST_ENDPOINT))
    await running


class PublishedClient(SdkClient):
    def __init__(self, address: str, array: np.ndarray) -> None:
        super().__init__(inferential.Connection(address, client_id=uuid.uuid4().hex), array)


if __name__ == "__main__":
    part, *words = sys.argv[1:]
    asyncio.run(serve(*words)) if part == "server" else answer_questions(PublishedClient)
