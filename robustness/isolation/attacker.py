"""One client that misbehaves: `attacker.py KIND`, told {"address": ...} to begin, {} to stop.

flood      5,000 observations a second, answers read
mute       500 a second that ask for 100 KB each, answers never read
reconnect  connects, sends one observation and leaves, 200 times a second, under one id
large      the largest messages that are legal, as many as 1 Gbit/s carries
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import zmq

from benchmarks.processes import listen, tell
from inferential_core.wire.limits import DEFAULT_LIMITS
from inferential_core.wire.messages import ObservationHeader, encode_observation

LARGEST = DEFAULT_LIMITS.max_message_bytes - 1024  # leaves room for the envelope
RATES_HZ = {"flood": 5000.0, "mute": 500.0, "reconnect": 200.0, "large": 1e9 / 8 / LARGEST}


class Attacker:
    """Does one thing at an even rate, on a thread, until told to stop."""

    def __init__(self, kind: str, address: str) -> None:
        self.done = 0
        self._address = address
        self._context = zmq.Context()
        self._act: Callable[[], None] = getattr(self, f"_{kind}")
        size = LARGEST if kind == "large" else 28
        model = "picture" if kind == "mute" else "policy"
        header = ObservationHeader("attacker", model, request_id=1, session=1)
        frames = encode_observation(header, {"x": np.zeros(size, np.uint8)})
        self._frames = [bytes(frame) for frame in frames]
        self._socket = self._connect()
        self._period_s = 1.0 / RATES_HZ[kind]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> int:
        """How often it did it."""
        self._stop.set()
        self._thread.join()
        self._context.destroy(linger=0)
        return self.done

    def _connect(self) -> zmq.Socket:
        socket = self._context.socket(zmq.DEALER)
        socket.setsockopt(zmq.IDENTITY, b"attacker")
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDTIMEO, 100)
        socket.connect(self._address)
        return socket

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            now = time.monotonic()
            for _ in range(int((now - due) / self._period_s)):
                due += self._period_s
                try:
                    self._act()
                    self.done += 1
                except zmq.Again:  # the server does not take more
                    pass
                if self._stop.is_set():
                    return
            self._stop.wait(max(0.001, self._period_s))

    def _flood(self) -> None:
        self._socket.send_multipart(self._frames, zmq.NOBLOCK)
        while self._socket.getsockopt(zmq.EVENTS) & zmq.POLLIN:
            self._socket.recv_multipart()

    def _mute(self) -> None:
        self._socket.send_multipart(self._frames, zmq.NOBLOCK)

    def _reconnect(self) -> None:
        socket = self._connect()
        socket.send_multipart(self._frames)
        socket.close(linger=50)

    def _large(self) -> None:
        self._socket.send_multipart(self._frames, copy=False)
        while self._socket.getsockopt(zmq.EVENTS) & zmq.POLLIN:
            self._socket.recv_multipart()


def main(kind: str) -> None:
    """Attack when told to, until stdin ends."""
    attacker: Attacker | None = None
    tell("ready")
    for question in listen():
        if attacker is not None:
            tell(attacker.stop())
            attacker = None
        else:
            attacker = Attacker(kind, question["address"])
            tell("begun")
    if attacker is not None:
        attacker.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
