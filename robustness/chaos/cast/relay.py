"""A relay of messages that loses and reorders them: `relay.py SERVER SEED`, then {"mode": ...}.

Harsher than any TCP link: in mode `loss` one message in twenty is gone for good, each way, and
the replies of four come in any order, some of them twice.
"""

from __future__ import annotations

import asyncio
import random
import sys
from typing import Any

import zmq
import zmq.asyncio

from benchmarks.machine import allow_many_files
from benchmarks.peers.measuring import dealer
from benchmarks.processes import answering, tell

LOSS, HELD, TWICE = 0.05, 4, 0.1
PATIENCE_S = 0.05  # what is held back goes out then, in whatever order


class Relay:
    """A ROUTER for the robots, and a DEALER for each of them towards the server."""

    def __init__(self, server: str, seed: int) -> None:
        self.mode = "clear"
        self._random = random.Random(seed)
        self._server = server
        self._context = zmq.asyncio.Context()
        self._context.max_sockets = 2000
        self._robots = self._context.socket(zmq.ROUTER)
        self._robots.setsockopt(zmq.ROUTER_HANDOVER, 1)
        port = self._robots.bind_to_random_port("tcp://127.0.0.1")
        self.address = f"tcp://127.0.0.1:{port}"
        self._ends: dict[bytes, Any] = {}
        self._listening: list[asyncio.Task[None]] = []
        self._held: list[tuple[bytes, list[bytes]]] = []

    async def set_mode(self, question: dict[str, Any]) -> str:
        self.mode = question["mode"]
        return self.mode

    async def run(self) -> None:
        while True:
            identity, *frames = await self._robots.recv_multipart()
            if identity not in self._ends:
                self._ends[identity] = dealer(self._context, self._server, identity)
                self._listening.append(asyncio.create_task(self._listen(identity)))
            if not self._loses():
                await self._ends[identity].send_multipart(frames)

    async def _listen(self, identity: bytes) -> None:
        """To what the server tells one robot."""
        while True:
            frames = await self._ends[identity].recv_multipart()
            if self._loses():
                continue
            twice = self.mode == "loss" and self._random.random() < TWICE
            self._held += [(identity, frames)] * (1 + twice)
            if self.mode == "clear" or len(self._held) >= HELD:
                self._release()
            else:
                asyncio.get_running_loop().call_later(PATIENCE_S, self._release)

    def _loses(self) -> bool:
        return self.mode == "loss" and self._random.random() < LOSS

    def _release(self) -> None:
        held, self._held = self._held, []
        if self.mode == "loss":
            self._random.shuffle(held)
        for identity, frames in held:
            self._robots.send_multipart([identity, *frames])


async def main(server: str, seed: str) -> None:
    """Relay until stdin ends."""
    allow_many_files()
    relay = Relay(server, int(seed))
    tell(relay.address)
    relaying = asyncio.create_task(relay.run())
    await answering(relay.set_mode)
    relaying.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
