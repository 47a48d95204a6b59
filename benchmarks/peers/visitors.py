"""Clients of every door that ask in closed loop: `visitors.py DOORS COUNT`, DOORS a JSON mapping.

Each observation has a tag, which the answer has to begin with: an answer with another's tag is
*crossed*. Where the protocol's own client would not go on (a closed connection, no answer), the
visitor does what its user would, and starts again. Each line of its input is answered: {} with
counts, {"live_since": T} with the visitors that had no answer to anything asked since then.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from typing import Any

import msgpack
import numpy as np
import zmq
from websockets.sync.client import connect

from benchmarks.peers import lerobot_robot as robot
from benchmarks.processes import listen, tell
from robustness.fuzz.packed import msgpack_numpy, openpi_array

PATIENCE_S = 2.0
AGAIN_AFTER_S = 0.2
EVERY_S = 0.1
FIRST_TAG = 2  # models that misbehave answer with zeros and ones
_tags = itertools.count(FIRST_TAG)


class Openpi:
    """As openpi_client's WebsocketClientPolicy."""

    def __init__(self, address: str) -> None:
        self._stack = ExitStack()
        options = {"compression": None, "max_size": None, "open_timeout": PATIENCE_S}
        self._socket = self._stack.enter_context(connect(address, **options))
        self._socket.recv(PATIENCE_S)

    def ask(self, tag: int) -> Any:
        """The first number of the answer; None where it is a refusal."""
        state = openpi_array(np.float32([tag, 0.0]))
        self._socket.send(msgpack.packb({"state": state}))
        answer = self._socket.recv(PATIENCE_S)
        if isinstance(answer, str):
            return None
        actions = msgpack.unpackb(answer)["actions"]
        return np.frombuffer(actions[b"data"], actions[b"dtype"])[:1]

    def close(self) -> None:
        self._stack.close()


class Gr00t:
    """As the client of GR00T N1.7."""

    def __init__(self, address: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.REQ)
        self._socket.setsockopt(zmq.RCVTIMEO, int(1000 * PATIENCE_S))
        self._socket.connect(address)

    def ask(self, tag: int) -> Any:
        state = msgpack_numpy(np.float32([[tag, 0.0]]))
        self._socket.send(msgpack.packb({"data": {"state.arm": state}}))
        answer = msgpack.unpackb(self._socket.recv())
        if "error" in answer:
            return None
        actions = answer["action.actions"]
        return np.frombuffer(actions[b"data"], actions[b"type"])[:1]

    def close(self) -> None:
        self._context.destroy(linger=0)


class Lerobot:
    """As a RobotClient; its program is started again where it is told to."""

    def __init__(self, address: str) -> None:
        self._robot = robot.Robot(address, patience_s=2 * PATIENCE_S)
        self._steps = itertools.count()
        try:
            self._robot.begin(robot.setup())
        except BaseException:
            self._robot.close()
            raise

    def ask(self, tag: int) -> Any:
        values = {"shoulder.pos": float(tag)}
        self._robot.send(robot.observation(next(self._steps), time.time(), **values))
        actions = self._robot.get()
        return actions[0].action[:1] if actions else None

    def close(self) -> None:
        self._robot.close()


CLIENTS = {"openpi": Openpi, "gr00t": Gr00t, "lerobot": Lerobot}


class Visitor:
    """One client, on a thread, until the process ends."""

    def __init__(self, kind: str, address: str, number: int) -> None:
        self.name = f"{kind} {number}"
        self.counts: Counter[str] = Counter()
        self.live_since = 0.0  # when it asked the last question that was answered
        self._kind, self._address = kind, address
        threading.Thread(target=self._live, daemon=True).start()

    def _live(self) -> None:
        while True:
            try:
                client = CLIENTS[self._kind](self._address)
            except Exception:  # nobody is there
                time.sleep(AGAIN_AFTER_S)
                continue
            self.counts["started"] += 1
            try:
                while True:
                    self._ask(client)
                    time.sleep(EVERY_S)
            except Exception as error:  # of three libraries: this client does not go on
                self.counts[type(error).__name__] += 1
                time.sleep(AGAIN_AFTER_S)
            finally:
                client.close()

    def _ask(self, client: Any) -> None:
        tag, asked = next(_tags), time.monotonic()
        self.counts["asked"] += 1
        first = client.ask(tag)
        if first is None or not len(first) or first[0] < FIRST_TAG:
            self.counts["refused"] += 1
            return
        # A robot of LeRobot may get the answer to the observation before.
        crossed = first[0] != tag and self._kind != "lerobot"
        self.counts["crossed" if crossed else "answered"] += 1
        self.live_since = asked


def main(doors: str, count: str) -> None:
    """Until stdin ends."""
    visitors = [
        Visitor(kind, address, number)
        for kind, address in json.loads(doors).items()
        for number in range(int(count))
    ]
    tell("ready")
    for question in listen():
        if "live_since" in question:
            since = question["live_since"]
            tell([each.name for each in visitors if each.live_since < since])
        else:
            tell({each.name: each.counts for each in visitors})


if __name__ == "__main__":
    main(*sys.argv[1:])
