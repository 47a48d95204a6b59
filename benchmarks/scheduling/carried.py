"""How many robots of W10 each order serves: Robion's protocol, as its description states it.

Robots ask twice a second, each at its own phase, and have to be answered within 156 ms by a model
of 40 + 8 b ms and batches of up to 8. A fleet is served if 98 % of its observations are answered
in time, on average over five seeds of 60 s. A fleet that is one robot larger may be served though
a smaller one is not, as phases are chance: the largest one counts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import mean

from .bars import Bar, print_bars
from .campaign import BOUND, Run, play_all
from .report import print_table
from .workloads import WORKLOADS

CARRIED = "W10"
SERVED = 0.98
_FLEETS = range(20, 31)
_SEEDS = 5
_WHO = (BOUND, "default", "fair", "lookahead", "edf", "fifo-8")


def print_robots(seconds: float) -> bool:
    """One line a contestant; whether the default serves at most one robot less than the bound."""
    workload = WORKLOADS[CARRIED]
    rate = 1.0 / workload.kinds[0].interval_s
    loads = {robots: robots * rate / workload.capacity for robots in _FLEETS}
    runs = [
        Run("open", CARRIED, load, who, seed, seconds=seconds)
        for who in _WHO
        for load in loads.values()
        for seed in range(_SEEDS)
    ]
    shares: dict[tuple[str, float], list[float]] = {}
    for run, figures in play_all(runs):
        share = figures["bound" if run.contestant == BOUND else "on_time"]
        shares.setdefault((run.contestant, run.load), []).append(share)
    served = {who: _largest(loads, partial(_share, shares, who)) for who in _WHO}
    told = [f"{100 * _share(shares, who, loads[served[BOUND]]):.1f}" for who in _WHO]
    lines = [[who, str(served[who]), share] for who, share in zip(_WHO, told)]
    heads = ["order", f"robots at {SERVED:.0%}", f"in time %, {served[BOUND]} robots"]
    print_table(f"{CARRIED}, {_SEEDS} seeds of {seconds:g} s", heads, lines)
    behind = served[BOUND] - served["default"]
    text = f"{CARRIED}: the default serves at most one robot less than the bound"
    return print_bars(iter([Bar(text, f"{behind} less", behind <= 1)]))


def _share(shares: dict[tuple[str, float], list[float]], who: str, load: float) -> float:
    return mean(shares[who, load])


def _largest(loads: dict[int, float], share: Callable[[float], float]) -> int:
    return max((robots for robots, load in loads.items() if share(load) >= SERVED), default=0)
