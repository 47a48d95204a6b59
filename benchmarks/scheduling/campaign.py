"""Runs: one per workload, load, contestant and seed, spread over the cores."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from . import figures
from .contestants import CONTESTANTS
from .figures import Figures
from .robots import Robot
from .simulation import Model, Simulation, closed_loop, open_loop
from .workloads import WORKLOADS

BOUND = "bound"
WARM_UP_S = 10.0  # of a closed loop, before anything is counted


class Run(NamedTuple):
    """What to run; `contestant` may be BOUND in an open loop."""

    loop: str  # open | closed
    workload: str
    load: float
    contestant: str
    seed: int
    jitter: float = 0.0  # of the model's latency
    seconds: float = 0.0  # that count; 0: as many as the workload says

    @property
    def since_s(self) -> float:
        """What robots did before does not count."""
        return 0.0 if self.loop == "open" else WARM_UP_S

    @property
    def until_s(self) -> float:
        """When robots stop asking."""
        return self.since_s + (self.seconds or WORKLOADS[self.workload].seconds)


def play(run: Run) -> Figures:
    """The figures of one run, in simulated time."""
    workload, robots = WORKLOADS[run.workload], robots_of(run)
    if run.contestant == BOUND:
        for robot in robots:
            while robot.wake_at < run.until_s:
                robot.wake(robot.wake_at)
        return figures.bound(robots, workload)
    model = Model(workload, run.jitter, run.seed)
    server = CONTESTANTS[run.contestant].make(workload)
    Simulation(robots, server, model).run(run.until_s, drain=run.loop == "open")
    return concluded(run, robots) | figures.served(model, server, len(robots))


def robots_of(run: Run) -> list[Robot]:
    """The fleet of a run."""
    workload = WORKLOADS[run.workload]
    if run.loop == "open":
        return open_loop(workload, run.load, run.seed)
    return closed_loop(workload, run.load, run.seed, CONTESTANTS[run.contestant].habits)


def concluded(run: Run, robots: list[Robot]) -> Figures:
    """What the robots of a run found, now that it is over."""
    if run.loop == "open":
        return figures.punctual(robots, 0.0, math.inf, run.until_s)
    for robot in robots:
        robot.finish(run.until_s)
    punctual = figures.punctual(robots, run.since_s, run.until_s, run.until_s - run.since_s)
    return punctual | figures.motion(robots, run.since_s, run.until_s)


def play_all(runs: Iterable[Run]) -> Iterator[tuple[Run, Figures]]:
    """All of them, in order, on as many processes as there are cores."""
    runs = list(runs)
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield from zip(runs, pool.map(play, runs))
