"""A relay of messages that loses and reorders them: `relay.py SERVER SEED`, then {"mode": ...}.

Harsher than any TCP link: in mode `loss` one message in twenty is gone for good, each way, and
the replies of four come in any order, some of them twice.
"""

from __future__ import annotations

import random
import sys
import threading
from typing import Any

import zmq

from benchmarks.machine import allow_many_files
from benchmarks.peers.measuring import dealer
from benchmarks.processes import listen, tell

LOSS, HELD, TWICE = 0.05, 4, 0.1
PATIENCE_MS = 50  # what is held back goes out then, in whatever order


class Relay:
    """A ROUTER for the robots, and a DEALER for each of them towards the server."""

    def __init__(self, server: str, seed: int) -> None:
        self.mode = "clear"
        self.stopping = threading.Event()
        self._random = random.Random(seed)
        self._server = server
        self._context = zmq.Context()
        self._context.max_sockets = 2000
        self._robots = self._context.socket(zmq.ROUTER)
        self._robots.setsockopt(zmq.ROUTER_HANDOVER, 1)
        port = self._robots.bind_to_random_port("tcp://127.0.0.1")
        self.address = f"tcp://127.0.0.1:{port}"
        self._ends: dict[bytes, Any] = {}
        self._held: list[tuple[bytes, list[bytes]]] = []

    def run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._robots, zmq.POLLIN)
        identities: dict[Any, bytes] = {}
        while not self.stopping.is_set():
            ready = poller.poll(PATIENCE_MS)
            for socket, _ in ready:
                if socket is self._robots:
                    identity, *frames = socket.recv_multipart()
                    if identity not in self._ends:
                        end = dealer(self._context, self._server, identity, LINGER=-1)
                        self._ends[identity] = end
                        identities[end] = identity
                        poller.register(end, zmq.POLLIN)
                    if not self._loses():
                        self._ends[identity].send_multipart(frames)
                else:
                    self._reply(identities[socket], socket.recv_multipart())
            if not ready or self.mode == "clear":
                self._release()
        self._context.destroy(linger=0)

    def _loses(self) -> bool:
        return self.mode == "loss" and self._random.random() < LOSS

    def _reply(self, identity: bytes, frames: list[bytes]) -> None:
        if self._loses():
            return
        self._held.append((identity, frames))
        if self.mode == "loss" and self._random.random() < TWICE:
            self._held.append((identity, frames))
        if self.mode == "clear" or len(self._held) >= HELD:
            self._release()

    def _release(self) -> None:
        held, self._held = self._held, []
        if self.mode == "loss":
            self._random.shuffle(held)
        for identity, frames in held:
            self._robots.send_multipart([identity, *frames])


def main(server: str, seed: str) -> None:
    """Relay until stdin ends."""
    allow_many_files()
    relay = Relay(server, int(seed))
    thread = threading.Thread(target=relay.run)
    thread.start()
    tell(relay.address)
    for question in listen():
        relay.mode = question["mode"]
        tell(relay.mode)
    relay.stopping.set()
    thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
