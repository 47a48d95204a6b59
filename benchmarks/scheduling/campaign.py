"""Runs: one per workload, load, contestant and seed, spread over the cores; what is counted."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np

from inferential_core.simulation.robots import ClosedRobot, Observation, Robot
from inferential_core.simulation.simulation import Model, Server, Simulation, fleet_of

from .bound import most_in_time
from .contestants import CONTESTANTS
from .workloads import WORKLOADS

BOUND = "bound"
WARM_UP_S = 10.0  # of a closed loop, before anything is counted
Figures = dict[str, float]


Watch = Callable[[float, list[Observation], str], None]  # when, which batch, why


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

    def robots(self) -> list[Robot]:
        """The fleet."""
        habits = None if self.loop == "open" else CONTESTANTS[self.contestant].habits
        return fleet_of(WORKLOADS[self.workload], self.load, self.seed, habits)


def play(run: Run, watch: Watch | None = None) -> Figures:
    """The figures of one run, in simulated time. watch: is told of every decision."""
    workload, robots = WORKLOADS[run.workload], run.robots()
    if run.contestant == BOUND:
        for robot in robots:
            while robot.wake_at < run.until_s:
                robot.wake(robot.wake_at)
        asked = _asked(robots)
        latency = [workload.latency_s(size) for size in range(1, workload.max_batch + 1)]
        released, due = [each.released_s for each in asked], [each.due_s for each in asked]
        return {"bound": most_in_time(released, due, latency) / len(asked)}
    model = Model(workload, run.jitter, run.seed)
    server = CONTESTANTS[run.contestant].make(workload)
    if watch is not None:
        _watch(server, watch)
    Simulation(robots, server, model).run(run.until_s, drain=run.loop == "open")
    return concluded(run, robots) | _served(model, server, len(robots))


def _watch(server: Server, watch: Watch) -> None:
    """Have somebody told of each decision of a server."""
    choose = server.next_batch

    def chosen(now: float) -> list[Observation]:
        batch = choose(now)
        watch(now, batch, server.reason())
        return batch

    server.next_batch = chosen  # type: ignore[method-assign]


def play_all(runs: Iterable[Run]) -> Iterator[tuple[Run, Figures]]:
    """All of them, in order, on as many processes as there are cores."""
    runs = list(runs)
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield from zip(runs, pool.map(play, runs))


def concluded(run: Run, robots: list[Robot]) -> Figures:
    """What the robots of a run found, now that it is over."""
    if run.loop == "open":
        return _punctual(robots, 0.0, math.inf, run.until_s)
    for robot in robots:
        robot.finish(run.until_s)
    punctual = _punctual(robots, run.since_s, run.until_s, run.until_s - run.since_s)
    return punctual | _motion(robots, run.since_s, run.until_s)


def _served(model: Model, server: Server, clients: int) -> Figures:
    """How the model was used, and who waited longest for it."""
    mean_batch = float(np.mean(model.calls)) if model.calls else 0.0
    figures = {"mean_batch": mean_batch, "longest_wait_s": server.longest_wait_s}
    promised = server.wait_bound_s(clients)
    return figures if math.isnan(promised) else figures | {"wait_bound_s": promised}


def _asked(robots: list[Robot]) -> list[Observation]:
    """By those that are honest."""
    return [each for robot in robots if not robot.kind.rogue for each in robot.asked]


def _by_tier(name: str, shares: list[tuple[int, float]]) -> Figures:
    """The mean share of each tier, where there are several."""
    tiers = sorted({tier for tier, _ in shares})
    own = {each: [share for tier, share in shares if tier == each] for each in tiers}
    return {f"{name}_tier_{each}": sum(own[each]) / len(own[each]) for each in tiers if tiers[1:]}


def _punctual(robots: list[Robot], since: float, until: float, seconds: float) -> Figures:
    """Answers in time: the share of what honest robots asked, by tier, and per second.

    Of what was asked before `since`, or could be answered in time after `until`, only the answers
    that came between the two count, which are those per second.
    """
    asked = [each for each in _asked(robots) if each.sent_s >= since and each.dry_s <= until]
    in_time = sum(each.on_time for each in asked)
    figures = {"asked": float(len(asked)), "on_time": in_time / max(1, len(asked))}
    came = [each for each in _asked(robots) if each.on_time and since <= each.answered_s < until]
    figures["on_time_per_s"] = len(came) / seconds
    trips = [each.answered_s - each.sent_s for each in asked if each.answered_s == each.answered_s]
    if trips:
        figures["trip_p99_s"] = float(np.percentile(trips, 99))
    return figures | _by_tier("on_time", [(each.robot.kind.tier, each.on_time) for each in asked])


def _motion(robots: list[Robot], since: float, until: float) -> Figures:
    """How the closed-loop robots moved in that time."""
    closed = [robot for robot in robots if isinstance(robot, ClosedRobot)]
    shares, ages, longest = [], [], 0.0
    ticks = actions = 0.0
    for robot in closed:
        moved = 0.0
        for part in robot.motion.executed:
            begin, end = max(part.from_s, since), min(part.to_s, until)
            if end > begin:
                moved += end - begin
                ages.append(np.arange(begin, end, robot.kind.period_s) - part.observed_s)
        shares.append(moved / (until - since))
        ticks += (until - since) * robot.kind.rate_hz
        actions += moved * robot.kind.rate_hz
        for begin, end in robot.motion.stalls:
            longest = max(longest, min(end, until) - max(begin, since))
    share = np.array(shares)
    figures = {
        "moving": float(share.mean()),
        "least_moving": float(share.min()),
        "jain": float(share.sum() ** 2 / (len(share) * (share**2).sum() or 1.0)),
        "longest_stall_s": longest,
        "executed_actions": actions,
        "starved": 1.0 - actions / ticks,
    }
    if ages:
        figures["age_p99_s"] = float(np.percentile(np.concatenate(ages), 99))
    tiers = [robot.kind.tier for robot in closed]
    return figures | _by_tier("moving", list(zip(tiers, shares)))
