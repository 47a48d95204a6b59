"""Many clients in one process: pre-encoded frames, bare DEALER sockets, an even rate.

A real client each would compete with the server for the cores; this one costs as little as it
can, and says how much that was. Sockets are watched with epoll through ZeroMQ's own descriptors,
which tell edges: after each send and each event a socket is read until it is empty.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from typing import Any

import numpy as np
import zmq
from measuring import percentiles

from inferential_core.wire import inferential_pb2 as pb
from inferential_core.wire.messages import ObservationHeader, encode_observation

# Field 100, request_id, as a varint: protobuf takes the last one of a message that has two.
REQUEST_ID = b"\xa0\x06"
STATE = np.zeros(7, np.float32)
DRAIN_S = 5.0  # for the last answers
SETTLE_S = 2.0  # before measuring, for links and learned cadences


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class Crowd:
    """`count` clients on one server."""

    def __init__(self, address: str, count: int, heartbeat_ms: int) -> None:
        self.context = zmq.Context()
        self.context.max_sockets = count + 16
        self.sockets: list[zmq.Socket] = []
        self.frames: list[list[bytes]] = []
        self.by_fd: dict[int, int] = {}
        self.poll = select.epoll()
        for index in range(count):
            name = f"robot-{index}"
            socket = self.context.socket(zmq.DEALER)
            socket.setsockopt(zmq.IDENTITY, name.encode())
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.HEARTBEAT_IVL, heartbeat_ms)  # as our client does
            socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3 * heartbeat_ms)
            socket.connect(address)
            header = ObservationHeader(name, "policy", latency_budget_ms=100.0, session=index + 1)
            self.sockets.append(socket)
            self.frames.append([bytes(each) for each in encode_observation(header, {"x": STATE})])
            fd = socket.getsockopt(zmq.FD)
            self.by_fd[fd] = index
            self.poll.register(fd, select.EPOLLIN | select.EPOLLET)
        self.next_id = 1
        self.waiting: dict[int, float] = {}  # request id -> when it was sent
        self.trips: list[float] = []
        self.failed = 0

    def send(self, index: int) -> None:
        socket, (empty, envelope, payload) = self.sockets[index], self.frames[index]
        number, self.next_id = self.next_id, self.next_id + 1
        self.waiting[number] = time.perf_counter()
        socket.send(empty, zmq.SNDMORE)
        socket.send(envelope + REQUEST_ID + varint(number), zmq.SNDMORE)
        socket.send(payload)
        self.receive(index)  # sending may have swallowed the edge

    def receive(self, index: int) -> None:
        socket = self.sockets[index]
        while socket.getsockopt(zmq.EVENTS) & zmq.POLLIN:
            frames = socket.recv_multipart()
            now = time.perf_counter()
            reply = pb.ModelResponse.FromString(frames[1])
            sent = self.waiting.pop(reply.request_id, None)
            if sent is None or reply.status != pb.OK:
                self.failed += 1
            else:
                self.trips.append(now - sent)

    def listen(self, until: float) -> None:
        """Take what comes until then or a millisecond longer; looks at least once."""
        while True:
            # epoll counts whole milliseconds, rounded up: better late than a busy wait, which
            # would take a core from the server
            for fd, _ in self.poll.poll(max(0.0, until - time.perf_counter()), 256):
                self.receive(self.by_fd[fd])
            if time.perf_counter() >= until:
                return

    def run(self, seconds: float, rate_hz: float) -> list[float]:
        """Everybody sends at the rate, evenly spread; how late each send was, in seconds.

        What falls due in the same millisecond is sent together.
        """
        period = 1.0 / (rate_hz * len(self.sockets))
        begun, late = time.perf_counter(), []
        for number in range(round(seconds / period)):
            due = begun + number * period
            if time.perf_counter() < due:
                self.listen(due)
            late.append(time.perf_counter() - due)
            self.send(number % len(self.sockets))
            if number % 32 == 0:
                self.listen(0.0)  # also when we are behind
        return late

    def drain(self) -> None:
        deadline = time.perf_counter() + DRAIN_S
        while self.waiting and time.perf_counter() < deadline:
            self.listen(time.perf_counter() + 0.01)

    def greet(self) -> None:
        """Everybody is connected and was answered once."""
        for index in range(len(self.sockets)):
            self.send(index)
            if index % 32 == 0:
                self.listen(0.0)
        self.drain()
        if self.waiting:
            raise TimeoutError(f"{len(self.waiting)} clients were not answered")
        self.trips.clear()


def measure(crowd: Crowd, question: dict[str, Any]) -> dict[str, Any]:
    crowd.run(SETTLE_S, question["rate_hz"])
    crowd.drain()
    crowd.trips.clear()
    crowd.failed = 0
    begun, used = time.perf_counter(), sum(os.times()[:2])
    late = crowd.run(question["seconds"], question["rate_hz"])
    crowd.drain()
    share = (sum(os.times()[:2]) - used) / (time.perf_counter() - begun)
    return {
        "sent": len(late),
        "lost": len(crowd.waiting),
        "failed": crowd.failed,
        "trips_ms": percentiles([1000 * trip for trip in crowd.trips]),
        "late_ms": percentiles([1000 * each for each in late]),
        "cpu": share,
    }


def main(address: str, count: str, heartbeat_ms: str) -> None:
    crowd = Crowd(address, int(count), int(heartbeat_ms))
    crowd.greet()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(measure(crowd, json.loads(line))), flush=True)


if __name__ == "__main__":
    from resource import RLIMIT_NOFILE, getrlimit, setrlimit

    hard = getrlimit(RLIMIT_NOFILE)[1]
    setrlimit(RLIMIT_NOFILE, (hard, hard))  # two descriptors a socket and more
    main(*sys.argv[1:])
