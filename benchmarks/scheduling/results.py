"""Figures of many runs, and what they say together."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from statistics import mean, stdev
from typing import NamedTuple

from .campaign import BOUND, Figures, Run

# Student's t, two-sided 95 %, for 1, 2, ... degrees of freedom
_T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13)

Row = tuple[str, float]  # workload and load


class Estimate(NamedTuple):
    """A mean over seeds and half the width of its 95 % confidence interval."""

    mean: float
    half: float

    @classmethod
    def of(cls, values: list[float]) -> Estimate:
        count = len(values)
        if count < 2:
            return cls(values[0] if values else math.nan, math.nan)
        t = _T95[count - 2] if count - 2 < len(_T95) else 2.0
        return cls(mean(values), t * stdev(values) / math.sqrt(count))

    def percent(self) -> str:
        """As a share: `84.4 ±0.3`, without what is not known."""
        if math.isnan(self.mean):
            return ""
        half = "" if math.isnan(self.half) else f" ±{100 * self.half:.1f}"
        return f"{100 * self.mean:.1f}{half}"


class Results:
    """All figures of one loop, by row and contestant."""

    def __init__(self, played: Iterable[tuple[Run, Figures]]) -> None:
        self._runs: dict[tuple[Row, str], list[Figures]] = defaultdict(list)
        for run, figures in played:
            self._runs[(run.workload, run.load), run.contestant].append(figures)

    @property
    def rows(self) -> list[Row]:
        return list(dict.fromkeys(row for row, _ in self._runs))

    @property
    def contestants(self) -> list[str]:
        return list(dict.fromkeys(name for _, name in self._runs if name != BOUND))

    def has(self, row: Row, *contestants: str) -> bool:
        return all((row, name) in self._runs for name in contestants)

    def values(self, row: Row, contestant: str, figure: str) -> list[float]:
        """One a seed; none where the figure has no meaning."""
        runs = self._runs.get((row, contestant), [])
        return [run[figure] for run in runs if figure in run]

    def estimate(self, row: Row, contestant: str, figure: str) -> Estimate:
        return Estimate.of(self.values(row, contestant, figure))

    def mean(self, row: Row, contestant: str, figure: str) -> float:
        return self.estimate(row, contestant, figure).mean

    def largest(self, row: Row, contestant: str, figure: str) -> float:
        """Over all seeds."""
        return max(self.values(row, contestant, figure), default=math.nan)

    def of_bound(self, row: Row, contestant: str) -> float:
        """Share of what the bound says is possible that was answered in time."""
        return self.mean(row, contestant, "on_time") / self.mean(row, BOUND, "bound")
