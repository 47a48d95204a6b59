"""Robots in closed loop in one process: each sends its next observation when it has its answer.

Bare DEALER sockets and pre-encoded frames, as the published client sends them: the same bytes for
every server, ours or theirs. Answers each line of stdin with figures.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
import zmq
from measuring import percentiles

from inferential_core.wire import inferential_pb2 as pb

PATIENCE_S = 20.0  # without any answer: somebody lost one


def frames(name: str, model: str, array: np.ndarray) -> list[bytes]:
    message = pb.Observation(client=pb.Client(id=name, type="robot"), model_id=model, urgency=0.5)
    dtype = {"float32": pb.FLOAT32, "uint8": pb.UINT8}[array.dtype.name]
    message.tensors.add(
        key="x", dtype=dtype, shape=array.shape, byte_length=array.nbytes, encoding=pb.RAW
    )
    return [b"", message.SerializeToString(), array.tobytes()]


class Herd:
    """`count` robots, each with an observation of its own."""

    def __init__(self, address: str, model: str, count: int, shape: Any, dtype: str) -> None:
        self.context = zmq.Context()
        self.poller = zmq.Poller()
        chance = np.random.default_rng(0)
        self.messages = {}
        for number in range(count):
            name = f"robot-{number}-{time.monotonic_ns()}"
            socket = self.context.socket(zmq.DEALER)
            socket.setsockopt(zmq.IDENTITY, name.encode())
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(address)
            array = (255 * chance.random(shape)).astype(dtype)
            self.messages[socket] = frames(name, model, array)
            self.poller.register(socket, zmq.POLLIN)

    def run(self, seconds: float) -> list[tuple[float, float]]:
        """When each answer came and how long it took, s."""
        begun = time.perf_counter()
        sent = {}
        for socket, message in self.messages.items():
            sent[socket] = time.perf_counter()
            socket.send_multipart(message, copy=False)
        answers = []
        while sent:
            ready = self.poller.poll(1000 * PATIENCE_S)
            if not ready:
                raise TimeoutError(f"{len(sent)} observations were never answered")
            for socket, _ in ready:
                socket.recv_multipart(copy=False)
                now = time.perf_counter()
                answers.append((now, now - sent.pop(socket)))
                if now - begun < seconds:
                    sent[socket] = time.perf_counter()
                    socket.send_multipart(self.messages[socket], copy=False)
        return answers

    def close(self) -> None:
        self.context.destroy(linger=0)


def measure(question: dict[str, Any]) -> dict[str, float]:
    herd = Herd(
        question["address"],
        question["model"],
        question["robots"],
        question["shape"],
        question["dtype"],
    )
    try:
        herd.run(question["warm_s"])
        begun = time.perf_counter()
        answers = herd.run(question["seconds"])
        passed = max(when for when, _ in answers) - begun
    finally:
        herd.close()
    figures = percentiles([1e3 * took for _, took in answers])
    figures = {f"{name}_ms": value for name, value in figures.items()}
    return {"per_s": len(answers) / passed, **figures}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(measure(json.loads(line))), flush=True)
