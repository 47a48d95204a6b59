"""Robots in closed loop in one process: each sends its next observation when it has its answer.

Bare DEALER sockets and pre-encoded frames, as the published client sends them: the same bytes for
every server, ours or theirs. Answers each line of stdin with figures.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

import numpy as np
import zmq
from measuring import answer, closed_loop, dealer

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
    """So many robots as the question says, each with an observation of its own."""

    def __init__(self, question: dict[str, Any]) -> None:
        self.context = zmq.Context()
        self.poller = zmq.Poller()
        chance = np.random.default_rng(0)
        self.messages = {}
        for number in range(question["robots"]):
            name = f"robot-{number}-{time.monotonic_ns()}"
            socket = dealer(self.context, question["address"], name)
            array = (255 * chance.random(question["shape"])).astype(question["dtype"])
            self.messages[socket] = frames(name, question["model"], array)
            self.poller.register(socket, zmq.POLLIN)

    def run(self, seconds: float) -> list[float]:
        """How long each answer took, s."""
        begun = time.perf_counter()
        sent, took = {}, []
        for socket, message in self.messages.items():
            sent[socket] = time.perf_counter()
            socket.send_multipart(message, copy=False)
        while sent:
            ready = self.poller.poll(1000 * PATIENCE_S)
            if not ready:
                raise TimeoutError(f"{len(sent)} observations were never answered")
            for socket, _ in ready:
                socket.recv_multipart(copy=False)
                now = time.perf_counter()
                took.append(now - sent.pop(socket))
                if now - begun < seconds:
                    sent[socket] = time.perf_counter()
                    socket.send_multipart(self.messages[socket], copy=False)
        return took

    def close(self) -> None:
        self.context.destroy(linger=0)


def measure(question: dict[str, Any]) -> dict[str, float]:
    with closing(Herd(question)) as herd:
        return closed_loop(herd.run, question)


if __name__ == "__main__":
    answer(measure)
