"""The same runs through a real server, real sockets and a model that sleeps: does it agree?"""

from __future__ import annotations

import json
import sys

from ..processes import ROOT, Program
from .campaign import Run, play
from .contestants import CONTESTANTS
from .figures import Figures
from .serving import scheduling_of
from .workloads import WORKLOADS

PEERS = ROOT / "benchmarks" / "peers"
ROWS = (("W1", 0.9), ("W1", 1.2), ("W3", 0.9), ("W3", 1.2), ("W6", 0.9), ("W6", 1.2))
BAR = 0.05  # on-time share and moving share differ by less


def play_for_real(run: Run) -> Figures:
    """The figures of one run, in real time."""
    workload, contestant = WORKLOADS[run.workload], CONTESTANTS[run.contestant]
    told = {
        "model": {"fixed_s": workload.fixed_s, "each_s": workload.each_s},
        "max_batch": workload.max_batch,
        "scheduling": scheduling_of(workload, contestant.strategy, contestant.options),
    }
    server = Program(sys.executable, PEERS / "sleeper.py", json.dumps(told))
    try:
        fleet = Program(sys.executable, PEERS / "fleet.py", server.hear(), json.dumps(run))
        try:
            found: Figures = fleet.hear()
            return found
        finally:
            fleet.end()
    finally:
        server.end()


def print_comparison(runs: list[Run]) -> bool:
    """One line a run; whether all are within the bar."""
    print("\nSimulated, real, and the difference in points")
    print(
        f"{'row':8}{'loop':8}{'':14}{'on time %':>24}{'moving %':>24}{'batch':>14}  within 5 points"
    )
    well = True
    for run in runs:
        simulated, real = play(run), play_for_real(run)
        line, good = f"{run.workload} {run.load:<5}{run.loop:8}{run.contestant:14}", True
        for figure in ("on_time", "moving"):
            if figure not in simulated:
                line += f"{'':24}"
                continue
            difference = real[figure] - simulated[figure]
            # Where robots stand still, the share in time hangs on milliseconds.
            if figure == "moving" or run.loop == "open":
                good = good and abs(difference) < BAR
            line += f"{100 * simulated[figure]:9.1f}{100 * real[figure]:8.1f}"
            line += f"{100 * difference:+7.1f}"
        line += f"{simulated['mean_batch']:8.2f}{real['mean_batch']:6.2f}"
        well = well and good
        print(
            f"{line}  {'yes' if good else 'NO'}  late p99 {1000 * real['late_p99_s']:.1f} ms",
            flush=True,
        )
    return well
