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


def play(run: Run) -> Figures:
    """The figures of one run."""
    workload = WORKLOADS[run.workload]
    if run.contestant == BOUND:
        robots = open_loop(workload, run.load, run.seed)
        for robot in robots:
            while robot.wake_at < workload.seconds:
                robot.wake(robot.wake_at)
        return figures.bound(robots, workload)
    contestant = CONTESTANTS[run.contestant]
    server = contestant.make(workload)
    model = Model(workload, run.jitter, run.seed)
    if run.loop == "open":
        robots = open_loop(workload, run.load, run.seed)
        Simulation(robots, server, model).run(workload.seconds, drain=True)
        found = figures.punctual(robots, 0.0, math.inf, workload.seconds)
    else:
        until = WARM_UP_S + workload.seconds
        robots = closed_loop(workload, run.load, run.seed, contestant.habits)
        Simulation(robots, server, model).run(until, drain=False)
        for robot in robots:
            robot.finish(until)
        found = figures.punctual(robots, WARM_UP_S, until, workload.seconds)
        found |= figures.motion(robots, WARM_UP_S, until)
    return found | figures.served(model)


def play_all(runs: Iterable[Run]) -> Iterator[tuple[Run, Figures]]:
    """All of them, in order, on as many processes as there are cores."""
    runs = list(runs)
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield from zip(runs, pool.map(play, runs))
