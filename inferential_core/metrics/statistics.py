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


def stats_of(values: np.ndarray) -> Stats | None:
    """Statistics of values (n,) float64; None of nothing. O(n log n)."""
    if not len(values):
        return None
    return _stats(np.sort(values), np.zeros(1, np.int64), np.array([len(values)]))[0]


def stats_by(values: np.ndarray, groups: np.ndarray) -> dict[int, Stats]:
    """group -> statistics of the values (n,) float64 in it; groups (n,) of integers.

    O(n log n) for all groups together, without a loop over the values.
    """
    if not len(values):
        return {}
    order = np.lexsort((values, groups))
    values, groups = values[order], groups[order]
    starts = np.flatnonzero(np.diff(groups, prepend=groups[0] - 1))
    counts = np.diff(starts, append=len(values))
    return dict(zip(groups[starts].tolist(), _stats(values, starts, counts)))


def _stats(values: np.ndarray, starts: np.ndarray, counts: np.ndarray) -> list[Stats]:
    """Of each run of sorted values that begins at `starts` and holds `counts` of them."""
    columns = (
        counts,
        np.add.reduceat(values, starts) / counts,
        values[starts],
        values[starts + counts - 1],
        *_interpolated(values, starts, counts).T,
    )
    return [Stats(*row) for row in zip(*(column.tolist() for column in columns))]


def _interpolated(values: np.ndarray, starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Quantiles (groups, 3) of groups of sorted values, linear as numpy has them by default."""
    positions = np.multiply.outer(counts - 1, _QUANTILES)
    below = positions.astype(np.int64)
    above = np.minimum(below + 1, (counts - 1)[:, None])
    share = positions - below
    low, high = values[starts[:, None] + below], values[starts[:, None] + above]
    return low + share * (high - low)  # type: ignore[no-any-return]
