"""The published server in front of a Ray cluster: ray_published.py ADDRESS. Nothing is tuned."""

from __future__ import annotations

import asyncio
import sys

import inferential
import ray
import zmq
from measuring import say_address


async def serve() -> None:
    server = inferential.Server("tcp://127.0.0.1:*", models=["single", "batching"])
    running = asyncio.create_task(server.run())
    while server._transport is None:  # it offers no other way to learn the port
        await asyncio.sleep(0)
    say_address(server._transport._socket.getsockopt_string(zmq.LAST_ENDPOINT))
    await running


if __name__ == "__main__":
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level="error")
    asyncio.run(serve())
