"""Many clients in one process: pre-encoded frames, bare DEALER sockets, an even rate.

A real client each would compete with the server for the cores; this one costs as little as it
can, and says how much that was. Sockets are watched with epoll through ZeroMQ's own descriptors,
which tell edges: after each send and each event a socket is read until it is empty.
"""

from __future__ import annotations

import resource
import select
import sys
import time
from functools import partial
from typing import Any

import numpy as np
import zmq
from measuring import answer, dealer, percentiles, say

from inferential_core.wire import inferential_pb2 as pb
from inferential_core.wire.messages import ObservationHeader, encode_observation

STATE = np.zeros(7, np.float32)
DRAIN_S = 5.0  # for the last answers
SETTLE_S = 2.0  # before measuring, for links and learned cadences


class Crowd:
    """`count` clients on one server."""

    def __init__(self, address: str, count: int, heartbeat_ms: int) -> None:
        self.context = zmq.Context()
        self.context.max_sockets = count + 16
        self.sockets: list[zmq.Socket] = []
        self.frames: list[list[bytes]] = []
        self.by_fd: dict[int, int] = {}
        self.poll = select.epoll()
        beats = {"HEARTBEAT_IVL": heartbeat_ms, "HEARTBEAT_TIMEOUT": 3 * heartbeat_ms}
        for index in range(count):
            name = f"robot-{index}"
            socket = dealer(self.context, address, name, **beats)  # which our client has, too
            header = ObservationHeader(name, "policy", latency_budget_ms=100.0, session=index + 1)
            self.sockets.append(socket)
            self.frames.append([bytes(each) for each in encode_observation(header, {"x": STATE})])
            fd = socket.getsockopt(zmq.FD)
            self.by_fd[fd] = index
            self.poll.register(fd, select.EPOLLIN | select.EPOLLET)
        self.next_id = 1
        self.newest = [0] * count  # id of what each asked last, for a server that tells none
        self.waiting: dict[int, float] = {}  # request id -> when it was sent
        self.trips: list[float] = []
        self.failed = 0

    def send(self, index: int) -> None:
        socket, (empty, envelope, payload) = self.sockets[index], self.frames[index]
        number, self.next_id = self.next_id, self.next_id + 1
        self.newest[index] = number
        self.waiting[number] = time.perf_counter()
        socket.send(empty, zmq.SNDMORE)
        # Of a field that a message has twice, protobuf takes the last one.
        numbered = pb.Observation(request_id=number).SerializeToString()
        socket.send(envelope + numbered, zmq.SNDMORE)
        socket.send(payload)
        self.receive(index)  # sending may have swallowed the edge

    def receive(self, index: int) -> None:
        socket = self.sockets[index]
        while socket.getsockopt(zmq.EVENTS) & zmq.POLLIN:
            frames = socket.recv_multipart()
            now = time.perf_counter()
            reply = pb.ModelResponse.FromString(frames[1])
            sent = self.waiting.pop(reply.request_id or self.newest[index], None)
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
    begun, used = time.perf_counter(), time.process_time()
    late = crowd.run(question["seconds"], question["rate_hz"])
    crowd.drain()
    share = (time.process_time() - used) / (time.perf_counter() - begun)
    return {
        "sent": len(late),
        "lost": len(crowd.waiting),
        "failed": crowd.failed,
        "trips_ms": percentiles([1000 * trip for trip in crowd.trips]),
        "late_ms": percentiles([1000 * each for each in late]),
        "cpu": share,
    }


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # two descriptors a socket and more
    crowd = Crowd(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    crowd.greet()
    say("ready")
    answer(partial(measure, crowd))
