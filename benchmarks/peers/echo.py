"""The floor: the same frames over bare sockets, answered by the shortest program possible."""

from __future__ import annotations

import sys

import numpy as np
import zmq
from measuring import ANSWER, PATIENCE_MS, answer_questions, dealer, say

from inferential_core.wire import inferential_pb2 as pb
from inferential_core.wire.messages import ObservationHeader, encode_observation

ZERO_COPY_FROM = 64 * 1024


def serve() -> None:
    socket = zmq.Context().socket(zmq.ROUTER)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    say(f"tcp://127.0.0.1:{port}")
    header = pb.ModelResponse(status=pb.OK, error=" " * 90).SerializeToString()
    answer = [b"", header, ANSWER.tobytes()]
    while True:
        identity = socket.recv()
        while socket.recv(copy=False).more:
            pass
        socket.send_multipart([identity, *answer])


class EchoClient:
    def __init__(self, address: str, array: np.ndarray) -> None:
        # Without an answer in time, zmq.Again ends the program.
        self.socket = dealer(zmq.Context.instance(), address, "bench", RCVTIMEO=PATIENCE_MS)
        header = ObservationHeader("bench", "policy", request_id=1)
        self.frames = encode_observation(header, {"x": array})

    def send(self) -> None:
        for frame in self.frames[:-1]:
            self.socket.send(frame, zmq.SNDMORE)
        self.socket.send(self.frames[-1], copy=len(self.frames[-1]) < ZERO_COPY_FROM)

    def receive(self) -> None:
        while self.socket.recv(copy=False).more:
            pass

    def close(self) -> None:
        self.socket.close(0)


if __name__ == "__main__":
    serve() if sys.argv[1] == "server" else answer_questions(EchoClient)
