"""Schedulers against one another and against the clairvoyant bound, in simulated time.

    python -m benchmarks schedule [--quick] [--seeds N] [--workload W1 ...] [--load 1.2 ...]
                                  [--loop open|closed] [--contestant NAME ...] [--plot FOLDER]
    python -m benchmarks schedule --real [--seconds S]
    python -m benchmarks schedule --cost
    python -m benchmarks schedule [--cost] --against REVISION [--contestant NAME ...] ...

The same seed gives the same figures on every machine. `--real` plays some rows through a real
server and sockets as well, in real time; `--cost` measures the schedulers themselves.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from .builds import Build
from .comparison import Cases, add_against, compare
from .machine import introduce
from .scheduling.bars import closed_bars, open_bars, print_bars
from .scheduling.campaign import BOUND, Run, play_all
from .scheduling.contestants import CONTESTANTS
from .scheduling.cost import QUEUES, STRATEGIES, print_costs
from .scheduling.plots import draw
from .scheduling.real import print_comparison
from .scheduling.report import print_closed, print_open
from .scheduling.results import Results
from .scheduling.workloads import LOADS, WORKLOADS

TITLES = {
    "open": ("on_time", "Answered in time, robots that ask whatever happens (open loop)"),
    "closed": ("moving", "Time in motion, robots that wait for their answers (closed loop)"),
}
FIGURES = {  # name in a table of --against -> name in the figures of a run
    "open": {"in time, share": "on_time", "longest wait s": "longest_wait_s"},
    "closed": {"in motion, share": "moving", "in time, share": "on_time"},
}
COMPARED = ("protect", "fair", "protect+hints", "fair+hints")  # with --against


def main(arguments: list[str]) -> int:
    """Print the tables and what was promised; 0 if all of that is kept."""
    parser = argparse.ArgumentParser(prog="schedule", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two seeds, 10 s each")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=0.0, help="a run; default: as it says")
    parser.add_argument("--workload", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--load", nargs="+", type=float, default=LOADS)
    parser.add_argument("--loop", choices=TITLES)
    parser.add_argument("--contestant", nargs="+", choices=CONTESTANTS)
    parser.add_argument("--jitter", type=float, default=0.0, help="share; of the model's latency")
    parser.add_argument("--plot", type=Path, help="folder for the pictures")
    parser.add_argument("--real", action="store_true", help="simulation against a real server")
    parser.add_argument("--cost", action="store_true", help="what the schedulers cost")
    parser.add_argument("--rounds", type=int, default=7, help="of --cost --against")
    add_against(parser)
    options = parser.parse_args(arguments)
    if options.against:
        cases_of = costs_of if options.cost else partial(simulations_of, options)
        return compare(options.against, cases_of, options.rounds if options.cost else 1)
    if options.cost:
        introduce("Cost of scheduling")
        return 0 if print_costs() else 1
    if options.real:
        introduce("Simulation and reality")
        return 0 if print_comparison(options.seconds or 20.0) else 1
    kept = [_simulate(loop, options) for loop in TITLES if options.loop in (None, loop)]
    return 0 if all(kept) else 1


def costs_of(build: Build, stack: ExitStack) -> Cases:
    """What `--cost --against` measures of a build."""
    program = build.program("tasks/schedule.py", stack=stack)
    return {
        f"{policy or strategy}, {queue.name}": partial(
            program.ask, {"queue": queue, "cost": (strategy, policy)}
        )
        for strategy, policy in STRATEGIES
        for queue in QUEUES
    }


def simulations_of(options: argparse.Namespace, build: Build, stack: ExitStack) -> Cases:
    """What `--against` simulates with a build: the same figures each time."""
    program = build.program("tasks/schedule.py", stack=stack)
    return {
        f"{loop} {workload} {load:g} {name}": partial(
            program.ask,
            {"runs": _runs(loop, workload, load, name, options), "figures": FIGURES[loop]},
        )
        for loop in TITLES
        if options.loop in (None, loop)
        for workload in options.workload
        for load in options.load
        for name in options.contestant or COMPARED
        if CONTESTANTS[name].runs_in(loop)
    }


def _runs(
    loop: str, workload: str, load: float, name: str, options: argparse.Namespace
) -> list[Run]:
    """One run a seed."""
    seeds = 2 if options.quick else options.seeds
    seconds = options.seconds or (10.0 if options.quick else 0.0)
    return [
        Run(loop, workload, load, name, seed, options.jitter, seconds) for seed in range(seeds)
    ]


def _simulate(loop: str, options: argparse.Namespace) -> bool:
    """One loop; whether what was promised of it is kept."""
    named = options.contestant or CONTESTANTS
    names = [name for name in named if CONTESTANTS[name].runs_in(loop)]
    if loop == "open":
        names.insert(0, BOUND)
    runs = [
        run
        for workload in options.workload
        for load in options.load
        for name in names
        for run in _runs(loop, workload, load, name, options)
    ]
    results = Results(play_all(runs))
    (print_open if loop == "open" else print_closed)(results)
    figure, title = TITLES[loop]
    if options.plot:
        draw(results, figure, title, options.plot / f"schedule-{loop}.png")
    print(f"\nPromised of the {loop} loop")
    return print_bars((open_bars if loop == "open" else closed_bars)(results))
