"""Clients that misbehave: `attacker.py KIND`, told {"address": ...} to begin, {} to stop.

flood      5,000 observations a second, answers read
mute       500 a second that ask for 100 KB each, answers never read
reconnect  connects, sends one observation and leaves, 200 times a second, under one id
large      the largest messages that are legal, as many as 1 Gbit/s carries
leeches    eight clients that ask for 100 KB at 25 Hz, with no room for answers, and read none
openpi     2,000 broken messages a second at that door, answers read
gr00t      the same at that door
lerobot    the largest observations that are legal at that door, as many as 1 Gbit/s carries

For a door the address is that of the door.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import numpy as np
import zmq

from benchmarks.peers.measuring import dealer
from benchmarks.processes import listen, tell
from inferential_core.wire.limits import DEFAULT_LIMITS
from inferential_core.wire.messages import ObservationHeader, encode_observation

LARGEST = DEFAULT_LIMITS.max_message_bytes - 1024  # leaves room for the envelope
PER_S = 1e9 / 8 / LARGEST
RATES_HZ = {"flood": 5000.0, "mute": 500.0, "reconnect": 200.0, "large": PER_S}
DOOR_RATES_HZ = {"openpi": 2000.0, "gr00t": 2000.0, "lerobot": PER_S}
LEECHES, LEECH_HZ = 8, 25.0
NO_ROOM = {"RCVHWM": 1, "RCVBUF": 4096}


class Attacker:
    """Does one thing at an even rate, on a thread, until told to stop."""

    def __init__(self, kind: str, address: str) -> None:
        self.done = 0
        self._kind, self._address = kind, address
        self._context = zmq.Context()
        leeches = kind == "leeches"
        names = [f"leech-{number}" for number in range(LEECHES)] if leeches else ["attacker"]
        self._options = {"SNDTIMEO": 100, **(NO_ROOM if leeches else {})}
        self._asking = [(self._connect(name), self._message(name)) for name in names]
        self._period_s = 1.0 / RATES_HZ.get(kind, LEECH_HZ)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> int:
        """How often it did it."""
        self._stop.set()
        self._thread.join()
        self._context.destroy(linger=0)
        return self.done

    def _connect(self, name: str) -> zmq.Socket:
        return dealer(self._context, self._address, name, **self._options)

    def _message(self, name: str) -> list[bytes]:
        size = LARGEST if self._kind == "large" else 28
        model = "picture" if self._kind in ("mute", "leeches") else "policy"
        header = ObservationHeader(name, model, request_id=1, session=1)
        return [
            bytes(each) for each in encode_observation(header, {"x": np.zeros(size, np.uint8)})
        ]

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            now = time.monotonic()
            for _ in range(int((now - due) / self._period_s)):
                due += self._period_s
                for socket, frames in self._asking:
                    try:
                        self._act(socket, frames)
                        self.done += 1
                    except zmq.Again:  # the server does not take more
                        pass
                if self._stop.is_set():
                    return
            self._stop.wait(max(0.001, self._period_s))

    def _act(self, socket: zmq.Socket, frames: list[bytes]) -> None:
        if self._kind == "reconnect":
            passing = self._connect("attacker")
            passing.send_multipart(frames)
            passing.close(linger=50)
            return
        large = self._kind == "large"
        socket.send_multipart(frames, 0 if large else zmq.NOBLOCK, copy=not large)
        while self._kind in ("flood", "large") and socket.getsockopt(zmq.EVENTS) & zmq.POLLIN:
            socket.recv_multipart()


class DoorAttacker:
    """The same at a door, over one connection."""

    def __init__(self, kind: str, address: str) -> None:
        self.done = 0
        self._act, self._close = _AT[kind](address)
        self._period_s = 1.0 / DOOR_RATES_HZ[kind]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> int:
        """How often it did it."""
        self._stop.set()
        self._thread.join()
        self._close()
        return self.done

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            due = max(due + self._period_s, time.monotonic() - 1.0)
            self._act()
            self.done += 1
            self._stop.wait(max(0.0, due - time.monotonic()))


Acts = tuple[Callable[[], object], Callable[[], object]]  # once; and to leave


def _at_openpi(address: str) -> Acts:
    from websockets.sync.client import connect

    from robustness.fuzz.packed import broken, openpi_questions

    chance = random.Random(1)
    messages = [broken(chance.choice(openpi_questions()), chance) for _ in range(500)]
    stack = ExitStack()
    client = stack.enter_context(connect(address, compression=None, max_size=None))
    client.recv()

    def act() -> None:
        client.send(chance.choice(messages))
        client.recv()

    return act, stack.close


def _at_gr00t(address: str) -> Acts:
    from robustness.fuzz.packed import broken, gr00t_requests

    chance = random.Random(1)
    messages = [broken(chance.choice(gr00t_requests()), chance) for _ in range(500)]
    context = zmq.Context()
    client = context.socket(zmq.REQ)
    client.connect(address)

    def act() -> None:
        client.send(chance.choice(messages))
        client.recv()

    return act, partial(context.destroy, linger=0)


def _at_lerobot(address: str) -> Acts:
    from benchmarks.peers import lerobot_robot

    client = lerobot_robot.Robot(address)
    client.begin(lerobot_robot.setup())
    image = np.zeros((LARGEST // 3 // 1000 - 1, 1000, 3), np.uint8)
    message = lerobot_robot.observation(front=image)
    return lambda: client.send(message), client.close


_AT = {"openpi": _at_openpi, "gr00t": _at_gr00t, "lerobot": _at_lerobot}


def main(kind: str) -> None:
    """Attack when told to, until stdin ends."""
    make = DoorAttacker if kind in DOOR_RATES_HZ else Attacker
    attacker: Attacker | DoorAttacker | None = None
    tell("ready")
    for question in listen():
        if attacker is not None:
            tell(attacker.stop())
            attacker = None
        else:
            attacker = make(kind, question["address"])
            tell("begun")
    if attacker is not None:
        attacker.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
