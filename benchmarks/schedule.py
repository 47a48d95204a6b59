"""Schedulers against one another and against the clairvoyant bound, in simulated time.

    python -m benchmarks schedule [--quick] [--seeds N] [--workload W1 ...] [--load 1.2 ...]
                                  [--loop open|closed] [--contestant NAME ...] [--plot FOLDER]
    python -m benchmarks schedule --real [--seconds S]
    python -m benchmarks schedule --cost
    python -m benchmarks schedule --robots
    python -m benchmarks schedule --trace FILE --workload W --load L --contestant NAME [--loop L]
    python -m benchmarks schedule --replay FILE
    python -m benchmarks schedule [--cost] --against REVISION [--contestant NAME ...] ...

The same seed gives the same figures on every machine. `--real` plays some rows through a real
server and sockets as well, in real time; `--cost` measures the schedulers themselves; `--robots`
says how many robots of W10 each order serves.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from .builds import Build, Cases
from .comparison import compare
from .machine import introduce
from .options import AGAINST, parse
from .scheduling import trace
from .scheduling.bars import closed_bars, open_bars, print_bars
from .scheduling.campaign import BOUND, Run, play_all
from .scheduling.carried import CARRIED, print_robots
from .scheduling.contestants import CONTESTANTS
from .scheduling.cost import print_costs
from .scheduling.plots import draw
from .scheduling.real import print_comparison
from .scheduling.report import print_closed, print_open
from .scheduling.results import Results
from .scheduling.workloads import LOADS, OF_A_SIZE, WORKLOADS

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
    options = parse(
        "schedule",
        __doc__,
        arguments,
        quick=(False, "two seeds, 10 s each"),
        seeds=10,
        seconds=(0.0, "a run; default: as it says"),
        workload=(list(WORKLOADS), None, {"choices": WORKLOADS}),
        load=list(LOADS),
        loop=(str, None, {"choices": TITLES}),
        contestant=(str, None, {"nargs": "+", "choices": CONTESTANTS}),
        jitter=(0.0, "share; of the model's latency"),
        trace=(Path, "write every decision of one run, with its reason, to this file"),
        replay=(Path, "play the run of such a file again, and compare every decision"),
        plot=(Path, "folder for the pictures"),
        real=(False, "simulation against a real server"),
        cost=(False, "what the schedulers cost"),
        robots=(False, "how many robots of W10 are served"),
        rounds=(7, "of --cost --against"),
        against=AGAINST,
    )
    if options.trace:
        runs = _runs(options.loop or "closed", options.contestant or ["default+hints"], options)
        if not runs:
            raise SystemExit(
                "--trace: no contestant that was named runs in that loop with that workload"
                " (robots with +hints only run in a closed loop, W10 only with --robots)"
            )
        if len({(run.workload, run.load, run.contestant) for run in runs}) > 1:
            raise SystemExit(
                "--trace writes one run: name one --workload, one --load and one --contestant"
            )
        print(f"{trace.write(runs[0], options.trace)} decisions of {runs[0]}")
        return 0
    if options.replay:
        differs = trace.replay(options.replay)
        print(differs or "every decision is the same")
        return 1 if differs else 0
    if options.against and options.cost:
        return compare(options.against, costs_of, options.rounds)
    if options.against:
        return compare(options.against, partial(simulations_of, options), 1)
    if options.cost:
        introduce("Cost of scheduling")
        return 0 if print_costs() else 1
    if options.robots:
        return 0 if print_robots(options.seconds or 60.0) else 1
    if options.real:
        introduce("Simulation and reality")
        return 0 if print_comparison(options.seconds or 20.0) else 1
    kept = [_simulate(loop, options) for loop in TITLES if options.loop in (None, loop)]
    return 0 if all(kept) else 1


def costs_of(build: Build, stack: ExitStack) -> Cases:
    """What `--cost --against` measures of a build."""
    return build.cases("costs", stack)


def simulations_of(options: Any, build: Build, stack: ExitStack) -> Cases:
    """What `--against` simulates with a build: the same figures each time."""
    runs: dict[str, list[Run]] = {}
    for loop in TITLES:
        if options.loop in (None, loop):
            for run in _runs(loop, options.contestant or COMPARED, options):
                name = f"{loop} {run.workload} {run.load:g} {run.contestant}"
                runs.setdefault(name, []).append(run)
    return build.cases("simulations", stack, runs=runs, figures=FIGURES)


def _runs(loop: str, names: Iterable[str], options: Any) -> list[Run]:
    """One run a seed of everybody who runs in a loop."""
    seconds = options.seconds or (10.0 if options.quick else 0.0)
    return [
        Run(loop, workload, load, name, seed, options.jitter, seconds)
        for workload in options.workload
        for load in _loads_of(workload, loop, options)
        for name in names
        if (loop == "open" if name == BOUND else CONTESTANTS[name].runs_in(loop, workload))
        for seed in range(2 if options.quick else options.seeds)
    ]


def _loads_of(workload: str, loop: str, options: Any) -> list[float]:
    """Those that were asked for; of a fleet that has its number of robots only that one."""
    if workload == CARRIED:
        return []
    if workload not in OF_A_SIZE:
        loads: list[float] = options.load
        return loads
    return [OF_A_SIZE[workload]] if loop == "closed" else []


def _simulate(loop: str, options: Any) -> bool:
    """One loop; whether what was promised of it is kept."""
    runs = _runs(loop, (BOUND, *(options.contestant or CONTESTANTS)), options)
    results = Results(play_all(runs))
    (print_open if loop == "open" else print_closed)(results)
    figure, title = TITLES[loop]
    if options.plot:
        draw(results, figure, title, options.plot / f"schedule-{loop}.png")
    print(f"\nPromised of the {loop} loop")
    return print_bars((open_bars if loop == "open" else closed_bars)(results))
