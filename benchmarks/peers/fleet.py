"""The robots of the simulation on real sockets, in real time: `fleet.py ADDRESS RUN`.

One process, one bare DEALER socket a robot. The network's delays are waited for here, on both
ways; its own lateness comes on top and is told with the figures.
"""

from __future__ import annotations

import heapq
import itertools
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import zmq

from benchmarks.processes import tell
from benchmarks.scheduling.campaign import Run, concluded, robots_of
from benchmarks.scheduling.robots import Observation, Robot
from benchmarks.scheduling.serving import message_of
from inferential_core.wire import inferential_pb2 as pb

DRAIN_S = 6.0  # a little longer than anything waits in a queue


class Fleet:
    """Runs robots against a server, on one thread."""

    def __init__(self, address: str, robots: list[Robot]) -> None:
        self.robots = robots
        self.waits: list[float] = []  # in the server's queue, as it says
        self.shares: list[float] = []  # of a model call, for each answer
        self.late: list[float] = []  # how late things were done here
        self._context = zmq.Context()
        self._sockets = [self._connect(address, robot) for robot in robots]
        self._poller = zmq.Poller()
        self._by_socket = {}
        for socket, robot in zip(self._sockets, robots):
            self._poller.register(socket, zmq.POLLIN)
            self._by_socket[socket] = robot
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = itertools.count()
        self._asked: dict[int, Observation] = {}
        self._numbers = itertools.count(1)
        self._planned = [float("inf")] * len(robots)
        self._until = 0.0
        self._begun = 0.0

    def run(self, seconds: float, drain: bool) -> None:
        """Robots ask until then; drain: go on until everything asked has ended."""
        self._until = seconds
        self._begun = time.monotonic() + 0.5  # everything is connected by then
        for robot in self.robots:
            self._plan_robot(robot)
        while self._now() < seconds or (drain and self._more(seconds)):
            self._listen()
            while self._events and self._events[0][0] <= self._now():
                at, _, what, arguments = heapq.heappop(self._events)
                self.late.append(self._now() - at)
                what(*arguments)

    def close(self) -> None:
        self._context.destroy(linger=0)

    def _connect(self, address: str, robot: Robot) -> zmq.Socket:
        socket = self._context.socket(zmq.DEALER)
        socket.setsockopt(zmq.IDENTITY, robot.name.encode())
        socket.connect(address)
        return socket

    def _now(self) -> float:
        return time.monotonic() - self._begun

    def _more(self, seconds: float) -> bool:
        return bool(self._events or self._asked) and self._now() < seconds + DRAIN_S

    def _plan(self, at: float, what: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._events, (at, next(self._order), what, arguments))

    def _plan_robot(self, robot: Robot) -> None:
        at = robot.wake_at
        if at < self._until and at < self._planned[robot.index]:
            self._planned[robot.index] = at
            self._plan(at, self._wake, robot, at)

    def _wake(self, robot: Robot, at: float) -> None:
        if self._planned[robot.index] != at:
            return  # it was woken by something else meanwhile
        self._planned[robot.index] = float("inf")
        now = self._now()
        if robot.wake_at <= now and (observation := robot.wake(now)) is not None:
            self._plan(observation.released_s, self._send, observation)
        self._plan_robot(robot)

    def _send(self, observation: Observation) -> None:
        number = next(self._numbers)
        self._asked[number] = observation
        message = message_of(observation)
        message.request_id = number
        message.client_send_ns = int((self._begun + observation.sent_s) * 1e9)
        socket = self._sockets[observation.robot.index]
        socket.send_multipart([b"", message.SerializeToString(), b""])

    def _listen(self) -> None:
        """Until the next event is due, a millisecond longer, or something comes."""
        due = self._events[0][0] if self._events else self._now() + 0.1
        timeout_ms = max(0, round(1000 * (due - self._now())))
        for socket, _ in self._poller.poll(min(timeout_ms, 100)):
            while socket.getsockopt(zmq.EVENTS) & zmq.POLLIN:
                self._take(socket.recv_multipart())

    def _take(self, frames: list[bytes]) -> None:
        reply = pb.ModelResponse.FromString(frames[1])
        observation = self._asked.pop(reply.request_id)
        answered = reply.status == pb.OK
        if answered:
            self.waits.append(reply.queue_ms / 1000)
            self.shares.append(1 / reply.batch_size)
        at = self._now() + observation.down_s
        self._plan(at, self._receive, observation, answered, reply.requery_after_steps)

    def _receive(self, observation: Observation, answered: bool, hint: int) -> None:
        robot = observation.robot
        robot.receive(observation, answered, hint, self._now())
        self._plan_robot(robot)


def main(address: str, run_json: str) -> None:
    run = Run(*json.loads(run_json))
    robots = robots_of(run)
    fleet = Fleet(address, robots)
    fleet.run(run.until_s, drain=run.loop == "open")
    fleet.close()
    found = concluded(run, robots)
    found["mean_batch"] = len(fleet.shares) / sum(fleet.shares)
    found["longest_wait_s"] = max(fleet.waits)
    found["late_p99_s"] = sorted(fleet.late)[int(0.99 * len(fleet.late))]
    tell(found)


if __name__ == "__main__":
    main(*sys.argv[1:])
