"""Networks that fail, between a bridge and a server: traffic stops, replies get mixed up."""

from __future__ import annotations

import random
import select
import socket
import threading
from typing import Any

import zmq


class Cable:
    """A TCP connection that can be cut: nothing gets through, and nobody is told."""

    def __init__(self, address: str) -> None:
        host, port = address.removeprefix("tcp://").split(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._whole = threading.Event()
        self._whole.set()
        self._bell, self._ring = socket.socketpair()
        self._peers: dict[socket.socket, socket.socket] = {}
        self._thread = threading.Thread(target=self._run, name="cable")
        self._thread.start()

    def cut(self) -> None:
        self._whole.clear()
        self._ring.send(b"!")

    def mend(self) -> None:
        self._whole.set()
        self._ring.send(b"!")

    def close(self) -> None:
        self._ring.close()
        self._thread.join()

    def _run(self) -> None:
        while True:
            watched = [self._bell]
            if self._whole.is_set():
                watched += [self._listener, *self._peers]
            for ready in select.select(watched, [], [])[0]:
                if ready is self._bell:
                    if not self._bell.recv(64):
                        return self._end()
                elif ready is self._listener:
                    self._join(self._listener.accept()[0])
                elif ready in self._peers:
                    self._carry(ready)

    def _join(self, near: socket.socket) -> None:
        far = socket.create_connection(self._target)
        self._peers[near], self._peers[far] = far, near

    def _carry(self, source: socket.socket) -> None:
        target = self._peers[source]
        try:
            data = source.recv(65536)
            if data:
                return target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            del self._peers[end]
            end.close()

    def _end(self) -> None:
        for end in (self._bell, self._listener, *self._peers):
            end.close()


class Mixer:
    """Forwards messages; replies come twice and out of order while `mixing`."""

    def __init__(self, address: str, seed: int = 0) -> None:
        self.mixing = False
        self.sent = self.mixed = 0
        self._random = random.Random(seed)
        self._context = zmq.Context()
        self._robots = self._context.socket(zmq.ROUTER)
        self.address = f"tcp://127.0.0.1:{self._robots.bind_to_random_port('tcp://127.0.0.1')}"
        self._server = address
        self._ends: dict[bytes, Any] = {}
        self._held: list[tuple[bytes, list[bytes]]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mixer")
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._context.destroy(linger=0)

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._robots, zmq.POLLIN)
        while not self._stopping.is_set():
            for ready, _ in poller.poll(20):
                if ready is self._robots:
                    identity, *frames = self._robots.recv_multipart()
                    if identity not in self._ends:
                        self._ends[identity] = self._connect(identity)
                        poller.register(self._ends[identity], zmq.POLLIN)
                    self._ends[identity].send_multipart(frames)
            for identity, end in self._ends.items():
                while end.poll(0):
                    self._reply(identity, end.recv_multipart())

    def _connect(self, identity: bytes) -> Any:
        end = self._context.socket(zmq.DEALER)
        end.identity = identity
        end.connect(self._server)
        return end

    def _reply(self, identity: bytes, frames: list[bytes]) -> None:
        self._held.append((identity, frames))
        if self.mixing and len(self._held) < 4:
            return
        held, self._held = self._held, []
        if self.mixing:
            held = held * 2
            self._random.shuffle(held)
            self.mixed += len(held)
        for robot, message in held:
            self.sent += 1
            self._robots.send_multipart([robot, *message])
