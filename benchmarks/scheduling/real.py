"""The same runs through a real server, real sockets and a model that sleeps: does it agree?"""

from __future__ import annotations

import json
from contextlib import ExitStack

from inferential_core.simulation.serving import scheduling_of

from ..builds import HERE
from ..options import yes
from .campaign import Figures, Run, play
from .contestants import CONTESTANTS
from .workloads import WORKLOADS

ROWS = (("W1", 0.9), ("W1", 1.2), ("W3", 0.9), ("W3", 1.2), ("W6", 0.9), ("W6", 1.2))
CASES = (("open", "protect"), ("closed", "protect"), ("closed", "protect+hints"))
BAR = 0.05  # what the share in time, in a closed loop that in motion, differs by at most


def play_for_real(run: Run) -> Figures:
    """The figures of one run, in real time."""
    workload, contestant = WORKLOADS[run.workload], CONTESTANTS[run.contestant]
    shape = (workload.kinds[0].horizon, 7)
    policy = {"shape": shape, "fixed_s": workload.fixed_s, "each_s": workload.each_s}
    scheduling = scheduling_of(workload, contestant.strategy, contestant.options)
    asked = {"config": {"scheduling": scheduling}, "models": {"policy": policy}}
    with ExitStack() as stack:
        _, about = HERE.server(stack, **asked, max_batch=workload.max_batch)
        words = (about["address"], json.dumps(run))
        found: Figures = HERE.program("peers/fleet.py", *words, stack=stack).hear()
        return found


def print_comparison(seconds: float) -> bool:
    """One line a run; whether all are within the bar."""
    heads = f"{'in time %':>23}{'moving %':>23}{'batch':>14}{'late p99 ms':>13}"
    print(f"\nSimulated, real, difference in points; {seconds:.0f} s each\n\n{'':32}{heads}")
    well = True
    for workload, load in ROWS:
        for loop, name in CASES:
            run = Run(loop, workload, load, name, seed=0, seconds=seconds)
            simulated, real = play(run), play_for_real(run)
            judged = "on_time" if loop == "open" else "moving"
            good = abs(real[judged] - simulated[judged]) < BAR
            well = well and good
            compared = "".join(_compared(simulated, real, each) for each in ("on_time", "moving"))
            batches = f"{simulated['mean_batch']:8.2f}{real['mean_batch']:6.2f}"
            late = f"{1000 * real['late_p99_s']:13.1f}  {yes(good)}"
            print(f"{workload} {load:<5}{loop:8}{name:16}{compared}{batches}{late}", flush=True)
    return well


def _compared(simulated: Figures, real: Figures, figure: str) -> str:
    if figure not in simulated:
        return f"{'':23}"
    before, now = 100 * simulated[figure], 100 * real[figure]
    return f"{before:9.1f}{now:7.1f}{now - before:+7.1f}"
