"""What is counted of a run."""

from __future__ import annotations

import math

import numpy as np

from .bound import most_in_time
from .robots import ClosedRobot, Robot
from .simulation import Model, Server
from .workloads import Workload

Figures = dict[str, float]


def served(model: Model, server: Server, clients: int) -> Figures:
    """How the model was used, and who waited longest for it."""
    figures = {
        "mean_batch": float(np.mean(model.calls)) if model.calls else 0.0,
        "longest_wait_s": server.longest_wait_s,
    }
    promised = server.wait_bound_s(clients)
    if not math.isnan(promised):
        figures["wait_bound_s"] = promised
    return figures


def punctual(robots: list[Robot], since: float, until: float, seconds: float) -> Figures:
    """Answers in time: the share of what honest robots asked, by tier, and per second.

    What was asked before `since`, or could be answered in time after `until`, does not count.
    """
    asked = [
        each
        for robot in robots
        if not robot.kind.rogue
        for each in robot.asked
        if each.sent_s >= since and each.dry_s <= until
    ]
    tiers = sorted({each.robot.kind.tier for each in asked})
    figures = {"asked": float(len(asked))}
    in_time = [each for each in asked if each.on_time]
    figures["on_time"] = len(in_time) / max(1, len(asked))
    figures["on_time_per_s"] = len(in_time) / seconds
    if len(tiers) > 1:
        for tier in tiers:
            own = [each.on_time for each in asked if each.robot.kind.tier == tier]
            figures[f"on_time_tier_{tier}"] = sum(own) / len(own)
    return figures


def bound(robots: list[Robot], workload: Workload) -> Figures:
    """The share of what was asked that could have been answered in time by who knew the future."""
    asked = [each for robot in robots if not robot.kind.rogue for each in robot.asked]
    latency = [workload.latency_s(size) for size in range(1, workload.max_batch + 1)]
    most = most_in_time(
        [each.released_s for each in asked], [each.due_s for each in asked], latency
    )
    return {"bound": most / len(asked)}


def motion(robots: list[Robot], since: float, until: float) -> Figures:
    """How the closed-loop robots moved in that time."""
    closed = [robot for robot in robots if isinstance(robot, ClosedRobot)]
    shares, ages, longest = [], [], 0.0
    for robot in closed:
        moved = 0.0
        for part in robot.motion.executed:
            begin, end = max(part.from_s, since), min(part.to_s, until)
            if end > begin:
                moved += end - begin
                ages.append(np.arange(begin, end, robot.kind.period_s) - part.observed_s)
        shares.append(moved / (until - since))
        for begin, end in robot.motion.stalls:
            longest = max(longest, min(end, until) - max(begin, since))
    share = np.array(shares)
    figures = {
        "moving": float(share.mean()),
        "least_moving": float(share.min()),
        "jain": float(share.sum() ** 2 / (len(share) * (share**2).sum() or 1.0)),
        "longest_stall_s": longest,
    }
    if ages:
        figures["age_p99_s"] = float(np.percentile(np.concatenate(ages), 99))
    tiers = sorted({robot.kind.tier for robot in closed})
    if len(tiers) > 1:
        for tier in tiers:
            own = [s for s, robot in zip(shares, closed) if robot.kind.tier == tier]
            figures[f"moving_tier_{tier}"] = sum(own) / len(own)
    return figures
