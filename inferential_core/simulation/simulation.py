"""Simulated time: robots ask, a server chooses, a model works, answers travel back.

Deterministic: events at the same moment happen in the order in which they were planned, and all
randomness comes from generators seeded by the run. The server under test is whatever has the
methods of `Server`; it is told the time and never reads a clock.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from .robots import ClosedRobot, Habits, Observation, OpenRobot, Robot
from .workload import Workload

SHORTLY_S = 1e-6  # nobody is asked twice at one moment


class Server(Protocol):
    """A server under test; by default it tells robots nothing and promises nothing."""

    longest_wait_s: float  # of an honest robot for a batch or the news that there will be none

    def arrive(self, observation: Observation, now: float) -> None:
        """An observation has come."""

    def next_batch(self, now: float) -> list[Observation]:
        """The model is free: what it works on now."""

    def calls(self, size: int) -> list[int]:
        """The calls of the model that serve a batch of that size, one after the other."""
        return [size]

    def done(self, batch: list[Observation], seconds: float, now: float) -> list[int]:
        """The model is done; for each observation the hint that goes back with its answer."""
        return [0] * len(batch)

    def ended(self) -> list[Observation]:
        """Those that ended without an answer since the last call, whose robots are told so."""
        return []

    def wake_at(self, now: float) -> float:
        """When to ask again for a batch though nothing happened."""
        return math.inf

    def reason(self) -> str:
        """Why its newest answer to `next_batch` was as it was; empty: it does not say."""
        return ""

    def wait_bound_s(self, clients: int) -> float:
        """The longest that one of so many clients waits, as promised; NaN: nothing is."""
        return math.nan


class Model:
    """Takes L(b) for a call with b observations, and keeps book.

    jitter: each call takes up to this share less or more, uniformly.
    """

    def __init__(self, workload: Workload, jitter: float = 0.0, seed: int = 0) -> None:
        self.busy = False
        self.calls: list[int] = []  # their sizes
        self._workload = workload
        self._jitter = jitter
        self._random = Random(f"{seed}/model")

    def seconds(self, size: int) -> float:
        """What the next call will take."""
        return self._workload.latency_s(size) * (1 + self._jitter * self._random.uniform(-1, 1))


def fleet_of(workload: Workload, load: float, seed: int, habits: Habits | None) -> list[Robot]:
    """Robots that wait for their answers, and begin within one interval of each other.

    Without habits they, and rogues always, ask at their own pace whatever the server does.
    """
    robots: list[Robot] = []
    for index, kind in enumerate(workload.fleet(load)):
        first = index - index % workload.group  # those of one group ask at the same moments
        pace, own = Random(f"{seed}/pace/{first}"), Random(f"{seed}/net/{index}")
        if habits is None or kind.rogue:
            robots.append(OpenRobot(index, kind, workload, own, pace))
        else:
            start = pace.uniform(0.0, kind.interval_s)
            robots.append(ClosedRobot(index, kind, workload, own, habits, start))
    return robots


class Fleet:
    """Robots, and what is planned to happen when; whoever carries their messages derives of it."""

    def __init__(self, robots: list[Robot]) -> None:
        self.robots = robots
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = itertools.count()
        self._planned = [math.inf] * len(robots)  # when each robot will be woken
        self._until = 0.0

    def _begin(self, until: float) -> None:
        self._until = until
        for robot in self.robots:
            self._plan_robot(robot)

    def _plan(self, at: float, what: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._events, (at, next(self._order), what, arguments))

    def _plan_robot(self, robot: Robot) -> None:
        at = robot.wake_at
        if at < self._until and at < self._planned[robot.index]:
            self._planned[robot.index] = at
            self._plan(at, self._wake, robot, at)

    def _wake(self, now: float, robot: Robot, planned: float) -> None:
        if self._planned[robot.index] != planned:
            return  # it was woken by something else meanwhile
        self._planned[robot.index] = math.inf
        if robot.wake_at <= now:
            observation = robot.wake(now)
            self._plan(observation.released_s, self._arrive, observation)
        self._plan_robot(robot)

    def _arrive(self, now: float, observation: Observation) -> None:
        """It is at the server."""
        raise NotImplementedError

    def _receive(self, now: float, observation: Observation, answered: bool, hint: int) -> None:
        observation.robot.receive(observation, answered, hint, now)
        self._plan_robot(observation.robot)


class Simulation(Fleet):
    """One run of one fleet against one server with one model."""

    def __init__(self, robots: list[Robot], server: Server, model: Model) -> None:
        super().__init__(robots)
        self.server = server
        self.model = model
        self._wake_at = math.inf

    def run(self, seconds: float, drain: bool) -> None:
        """Robots ask until then; drain: go on until everything asked has ended."""
        self._begin(seconds)
        while self._events and (drain or self._events[0][0] <= seconds):
            now, _, what, arguments = heapq.heappop(self._events)
            what(now, *arguments)
            self._serve(now)

    def _arrive(self, now: float, observation: Observation) -> None:
        self.server.arrive(observation, now)

    def _serve(self, now: float) -> None:
        """Whatever the server can do now."""
        if not self.model.busy and (batch := self.server.next_batch(now)):
            calls = self.server.calls(len(batch))
            seconds = sum(map(self.model.seconds, calls))
            self.model.busy = True
            self.model.calls.extend(calls)
            self._plan(now + seconds, self._done, batch, seconds)
        for observation in self.server.ended():
            self._answer(now, observation, False, 0)
        if not self.model.busy:
            at = max(now + SHORTLY_S, self.server.wake_at(now))
            if at < self._wake_at:
                self._wake_at = at
                self._plan(at, self._look_again)

    def _look_again(self, now: float) -> None:
        self._wake_at = math.inf

    def _done(self, now: float, batch: list[Observation], seconds: float) -> None:
        self.model.busy = False
        for observation, hint in zip(batch, self.server.done(batch, seconds, now)):
            self._answer(now, observation, True, hint)

    def _answer(self, now: float, observation: Observation, answered: bool, hint: int) -> None:
        self._plan(now + observation.down_s, self._receive, observation, answered, hint)
