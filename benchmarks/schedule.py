"""Schedulers against one another and against the clairvoyant bound, in simulated time.

    python -m benchmarks schedule [--quick] [--seeds N] [--workload W1 ...] [--load 1.2 ...]
                                  [--loop open|closed] [--contestant NAME ...]

The same seed gives the same figures on every machine; means over the seeds, with half the width
of their 95 % confidence interval.
"""

from __future__ import annotations

import argparse

from .scheduling.campaign import BOUND, Run, play_all
from .scheduling.contestants import CONTESTANTS
from .scheduling.report import Results, print_closed, print_open
from .scheduling.workloads import LOADS, WORKLOADS


def main(arguments: list[str]) -> int:
    """Print the tables; 0 unless a bar is missed."""
    parser = argparse.ArgumentParser(prog="schedule", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two seeds")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workload", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--load", nargs="+", type=float, default=LOADS)
    parser.add_argument("--loop", choices=("open", "closed"))
    parser.add_argument("--contestant", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--jitter", type=float, default=0.0, help="share; of the model's latency")
    options = parser.parse_args(arguments)
    seeds = range(2 if options.quick else options.seeds)
    for loop in (options.loop,) if options.loop else ("open", "closed"):
        names = [BOUND, *options.contestant] if loop == "open" else options.contestant
        runs = [
            Run(loop, workload, load, name, seed, options.jitter)
            for workload in options.workload
            for load in options.load
            for name in names
            if name == BOUND or CONTESTANTS[name].runs_in(loop)
            for seed in seeds
        ]
        results = Results(play_all(runs))
        (print_open if loop == "open" else print_closed)(results)
    return 0
