"""Clients that ask and never read: `leeches.py SERVER COUNT RATE_HZ`, until stdin ends."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import zmq

from benchmarks.processes import tell
from inferential_core.wire.messages import ObservationHeader, encode_observation


def main(server: str, count: str, rate_hz: str) -> None:
    """Every reply is 100 KB that nobody takes."""
    context = zmq.Context()
    asking = []
    for number in range(int(count)):
        socket = context.socket(zmq.DEALER)
        for option, value in ((zmq.RCVHWM, 1), (zmq.RCVBUF, 4096), (zmq.LINGER, 0)):
            socket.setsockopt(option, value)
        name = f"leech-{number}"
        socket.setsockopt(zmq.IDENTITY, name.encode())
        socket.connect(server)
        header = ObservationHeader(name, "picture", request_id=1, session=number + 1)
        asking.append((socket, encode_observation(header, {"state": np.zeros(2, np.float32)})))
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    tell("ready")
    due = time.monotonic()
    while not stop.is_set():
        for socket, frames in asking:
            try:
                socket.send_multipart(frames, zmq.NOBLOCK)
            except zmq.Again:
                pass  # the server does not read it any more either
        due += 1.0 / float(rate_hz)
        stop.wait(max(0.0, due - time.monotonic()))
    context.destroy(linger=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
