"""Computes how many more robots a model can carry."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

_PROMISED = 0.9  # share of the model's time that robots may count on


def capacity(windows: Iterable[float], seconds: Sequence[float], lanes: int = 1) -> float:
    """Observations per second that a model can answer in time.

    windows: time (s) from the arrival of recent observations to their deadlines. An observation
    that just missed a batch waits for it and then for its own, so batches are not larger than
    lets the tightest tenth of the windows hold two of them.
    """
    ordered = sorted(windows)
    tight = ordered[len(ordered) // 10] if ordered else math.inf
    size = max((size for size in range(1, len(seconds)) if 2 * seconds[size] <= tight), default=1)
    return _PROMISED * lanes * size / seconds[size]


def headroom(
    rates: Collection[float], windows: Iterable[float], seconds: Sequence[float], lanes: int = 1
) -> float:
    """How many more robots like those that ask now (rates, 1/s) the model can carry.

    Negative: so many too many. NaN where nobody asks or the model's latency is not known yet.
    """
    demand = sum(rates)
    if not demand or seconds[-1] <= 1e-5:
        return math.nan
    spare = capacity(windows, seconds, lanes) - demand
    return float(math.floor(spare / (demand / len(rates)) + 1e-9))
