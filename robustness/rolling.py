"""Two servers that are drained in turn for a long time: does a client grow, is anything lost?

    python -m robustness rolling [--minutes M] [--every SECONDS] [--robots N]

Simulated robots in one process and two bridges over DDS ask with plans of 0.8 s, at half. The
server that they ask is drained again and again, and a new one comes at its address. Status 1 if an
observation was lost, a robot ran out of actions, or the memory of robots or bridges grew.
"""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import ExitStack

from benchmarks.failover import Fleet
from benchmarks.machine import introduce, rss_mb
from benchmarks.options import parse, yes

from .soak import MOST_MB_PER_10_MIN, WARM_SHARE, slope_per_minute


def main(arguments: list[str]) -> int:
    """0 if nothing was lost, and nothing grew."""
    options = parse("rolling", __doc__, arguments, minutes=30.0, every=120.0, robots=50)
    os.environ["ROS_DOMAIN_ID"] = str(random.randint(1, 100))
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    introduce(f"a drain every {options.every:g} s for {options.minutes:g} min")
    minutes: list[float] = []
    memory: dict[str, list[float]] = {}
    with ExitStack() as stack:
        fleet = Fleet(options.robots, stack)
        begun = time.monotonic()
        while time.monotonic() < begun + 60 * options.minutes:
            due = time.monotonic() + options.every
            cost = fleet.round(signal.SIGTERM)
            time.sleep(max(0.0, due - time.monotonic()))
            lost, dry = (fleet.total[name] for name in ("lost", "dry"))
            minutes.append((time.monotonic() - begun) / 60)
            for name, pid in fleet.clients.items():
                memory.setdefault(name, []).append(rss_mb(pid))
            sizes = ", ".join(f"{name} {each[-1]:.1f} MB" for name, each in memory.items())
            print(
                f"{minutes[-1]:6.1f} min: worst answer {cost['worst_s']:.3f} s (while none ended"
                f" {cost['calm_s']:.3f} s), {lost} lost,"
                f" {dry} times without actions; {sizes}",
                flush=True,
            )
    warm = sum(minute < WARM_SHARE * minutes[-1] for minute in minutes)
    slopes = {
        name: 10 * slope_per_minute(minutes[warm:], each[warm:]) for name, each in memory.items()
    }
    grew = {name: slope for name, slope in slopes.items() if not slope < MOST_MB_PER_10_MIN}
    told = ", ".join(f"{name} {slope:+.2f}" for name, slope in slopes.items())
    print(f"memory, MB per 10 min: {told} (under {MOST_MB_PER_10_MIN:g}): {yes(not grew)}")
    for why, count in fleet.lost_why.most_common(5):
        print(f"{count} lost: {why}")
    print(f"{len(minutes)} drains, {lost} lost, {dry} times dry: {yes(not lost and not dry)}")
    return 0 if not (grew or lost or dry) else 1
