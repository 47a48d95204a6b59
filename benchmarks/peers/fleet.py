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

import zmq
from measuring import dealer

from benchmarks.processes import tell
from benchmarks.scheduling.campaign import Run, concluded
from inferential_core.simulation import simulation
from inferential_core.simulation.robots import Observation, Robot
from inferential_core.simulation.serving import message_of
from inferential_core.wire import inferential_pb2 as pb

DRAIN_S = 6.0  # a little longer than anything waits in a queue


class Fleet(simulation.Fleet):
    """Runs robots against a server, on one thread."""

    def __init__(self, address: str, robots: list[Robot]) -> None:
        super().__init__(robots)
        self.waits: list[float] = []  # in the server's queue, as it says
        self.shares: list[float] = []  # of a model call, for each answer
        self.late: list[float] = []  # how late things were done here
        self._context = zmq.Context()
        self._sockets = [dealer(self._context, address, robot.name) for robot in robots]
        self._poller = zmq.Poller()
        for socket in self._sockets:
            self._poller.register(socket, zmq.POLLIN)
        self._asked: dict[int, Observation] = {}
        self._numbers = itertools.count(1)

    def run(self, seconds: float, drain: bool) -> None:
        """Robots ask until then; drain: go on until everything asked has ended."""
        self._begun = time.monotonic() + 0.5  # everything is connected by then
        self._begin(seconds)
        while self._now() < seconds or (drain and self._more(seconds)):
            self._listen()
            while self._events and self._events[0][0] <= (now := self._now()):
                at, _, what, arguments = heapq.heappop(self._events)
                self.late.append(now - at)
                what(now, *arguments)
        self._context.destroy(linger=0)

    def _now(self) -> float:
        return time.monotonic() - self._begun

    def _more(self, seconds: float) -> bool:
        return bool(self._events or self._asked) and self._now() < seconds + DRAIN_S

    def _arrive(self, now: float, observation: Observation) -> None:
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
                self._take(pb.ModelResponse.FromString(socket.recv_multipart()[1]))

    def _take(self, reply: pb.ModelResponse) -> None:
        observation = self._asked.pop(reply.request_id)
        answered = reply.status == pb.OK
        if answered:
            self.waits.append(reply.queue_ms / 1000)
            self.shares.append(1 / reply.batch_size)
        at = self._now() + observation.down_s
        self._plan(at, self._receive, observation, answered, reply.requery_after_steps)


def main(address: str, run_json: str) -> None:
    run = Run(*json.loads(run_json))
    fleet = Fleet(address, run.robots())
    fleet.run(run.until_s, drain=run.loop == "open")
    found = concluded(run, fleet.robots)
    found["mean_batch"] = len(fleet.shares) / sum(fleet.shares)
    found["longest_wait_s"] = max(fleet.waits)
    found["late_p99_s"] = sorted(fleet.late)[int(0.99 * len(fleet.late))]
    tell(found)


if __name__ == "__main__":
    main(*sys.argv[1:])
