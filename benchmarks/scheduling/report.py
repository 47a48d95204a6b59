"""The tables."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from statistics import mean, stdev
from typing import NamedTuple

from .campaign import BOUND, Run
from .contestants import CONTESTANTS
from .figures import Figures

# Student's t, two-sided 95 %, for 1, 2, ... degrees of freedom
_T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13)


class Estimate(NamedTuple):
    """A mean over seeds and half the width of its 95 % confidence interval."""

    mean: float
    half: float

    @classmethod
    def of(cls, values: list[float]) -> Estimate:
        count = len(values)
        if count < 2:
            return cls(mean(values), math.nan)
        t = _T95[count - 2] if count - 2 < len(_T95) else 2.0
        return cls(mean(values), t * stdev(values) / math.sqrt(count))


class Results:
    """Figures of all runs, by what was run."""

    def __init__(self, played: Iterable[tuple[Run, Figures]]) -> None:
        self._values: dict[tuple[str, float, str], list[Figures]] = defaultdict(list)
        for run, figures in played:
            self._values[run.workload, run.load, run.contestant].append(figures)

    @property
    def rows(self) -> list[tuple[str, float]]:
        return list(dict.fromkeys((workload, load) for workload, load, _ in self._values))

    @property
    def contestants(self) -> list[str]:
        return list(dict.fromkeys(name for _, _, name in self._values if name != BOUND))

    def estimate(self, workload: str, load: float, contestant: str, figure: str) -> Estimate:
        """Of one figure; NaN where it has no meaning."""
        runs = self._values.get((workload, load, contestant), [])
        values = [run[figure] for run in runs if figure in run]
        return Estimate.of(values) if values else Estimate(math.nan, math.nan)

    def largest(self, workload: str, load: float, contestant: str, figure: str) -> float:
        runs = self._values.get((workload, load, contestant), [])
        return max((run[figure] for run in runs if figure in run), default=math.nan)


def print_open(results: Results) -> None:
    """On-time share of each contestant beside the bound."""
    names = [BOUND, *results.contestants]
    print("\nOpen loop: answered in time, % (tiers 0/1/2)\n")
    print("row     " + "".join(f"{name:>14}" for name in names))
    for workload, load in results.rows:
        cells = []
        for name in names:
            figure = "bound" if name == BOUND else "on_time"
            share = results.estimate(workload, load, name, figure)
            cells.append(f"{100 * share.mean:.1f} ±{100 * share.half:.1f}")
        line = f"{workload} {load:<5}" + "".join(f"{cell:>14}" for cell in cells)
        for name in results.contestants:
            if not CONTESTANTS[name].ours:
                continue
            bound = results.estimate(workload, load, BOUND, "bound").mean
            own = results.estimate(workload, load, name, "on_time").mean
            tiers = [
                f"{100 * results.estimate(workload, load, name, f'on_time_tier_{tier}').mean:.0f}"
                for tier in range(3)
            ]
            line += f"  {name}: {100 * own / bound:.1f} % of bound"
            line += "" if tiers[0] == "nan" else f", tiers {'/'.join(tiers)}"
            line += f", longest wait {results.largest(workload, load, name, 'longest_wait_s'):.2f}"
        print(line)
    for name in results.contestants:
        rows = [row for row in results.rows if row[0] <= "W6"]
        if rows:
            of_bound = [
                results.estimate(*row, name, "on_time").mean
                / results.estimate(*row, BOUND, "bound").mean
                for row in rows
            ]
            print(
                f"{name}: mean over {len(rows)} rows of W1 to W6 {100 * mean(of_bound):.1f} % of"
                f" the bound, least {100 * min(of_bound):.1f} %"
            )


def print_closed(results: Results) -> None:
    """Moving time first."""
    print("\nClosed loop\n")
    print(
        f"{'row':8}{'':14}{'moving %':>14}{'on time/s':>10}{'stall s':>9}{'age p99':>9}"
        f"{'Jain':>7}{'on time %':>11}{'batch':>7}{'wait s':>8}  moving by tier"
    )
    for workload, load in results.rows:
        for name in results.contestants:
            key = (workload, load, name)
            moving = results.estimate(*key, "moving")
            tiers = [100 * results.estimate(*key, f"moving_tier_{t}").mean for t in range(3)]
            print(
                f"{workload} {load:<5}{name:14}{100 * moving.mean:8.1f} ±{100 * moving.half:<4.1f}"
                f"{results.estimate(*key, 'on_time_per_s').mean:10.1f}"
                f"{results.largest(*key, 'longest_stall_s'):9.2f}"
                f"{results.estimate(*key, 'age_p99_s').mean:9.2f}"
                f"{results.estimate(*key, 'jain').mean:7.3f}"
                f"{100 * results.estimate(*key, 'on_time').mean:11.1f}"
                f"{results.estimate(*key, 'mean_batch').mean:7.2f}"
                f"{results.largest(*key, 'longest_wait_s'):8.2f}"
                + ("" if math.isnan(tiers[0]) else "  " + "/".join(f"{t:.0f}" for t in tiers))
            )
