"""Statistics of values, of all together or of each group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_QUANTILES = np.array([0.5, 0.95, 0.99])


@dataclass(frozen=True)
class Stats:
    """Of one metric over a window, in the metric's own unit."""

    count: int
    avg: float
    min: float
    max: float
    p50: float
    p95: float
    p99: float


def stats_of(values: np.ndarray, groups: np.ndarray) -> dict[int, Stats]:
    """group -> statistics of the values (n,) float64 in it; groups (n,) of integers.

    Quantiles are interpolated linearly, as numpy does by default. O(n log n) for all groups
    together, without a loop over the values.
    """
    if not len(values):
        return {}
    order = np.lexsort((values, groups))
    values, groups = values[order], groups[order]
    starts = np.flatnonzero(np.diff(groups, prepend=groups[0] - 1))
    counts = np.diff(starts, append=len(values))
    averages = np.add.reduceat(values, starts) / counts
    quantiles = _interpolated(values, starts, counts)
    return {
        int(groups[start]): Stats(
            count=int(count),
            avg=float(average),
            min=float(values[start]),
            max=float(values[start + count - 1]),
            p50=float(p50),
            p95=float(p95),
            p99=float(p99),
        )
        for start, count, average, (p50, p95, p99) in zip(starts, counts, averages, quantiles)
    }


def _interpolated(values: np.ndarray, starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Quantiles (groups, 3) of groups of sorted values."""
    positions = np.multiply.outer(counts - 1, _QUANTILES)
    below = positions.astype(np.int64)
    above = np.minimum(below + 1, (counts - 1)[:, None])
    share = positions - below
    low, high = values[starts[:, None] + below], values[starts[:, None] + above]
    return low + share * (high - low)  # type: ignore[no-any-return]
