"""Computes how many more robots a model can carry."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_PROMISED = 0.9  # share of the model's time that robots may count on


def capacity(windows: Iterable[float], seconds: Sequence[float], lanes: int = 1) -> float:
    """Observations per second that a model can answer in time.

    windows: time (s) from the arrival of observations to their deadlines. An observation that
    just missed a batch waits for it and then for its own, so batches are not larger than lets the
    tightest tenth of the windows hold two of them.
    """
    return _capacity([(window, 1.0) for window in windows], seconds, lanes)


class Demand(NamedTuple):
    """What a robot asks for."""

    rate: float  # observations per second
    window_s: float  # from the arrival of one to its deadline; inf where unknown


def headroom(demands: Sequence[Demand], seconds: Sequence[float], lanes: int = 1) -> float:
    """How many more robots like those that ask now the model can carry.

    Negative: so many too many. NaN where nobody asks or the model's latency is not known yet.
    """
    demand = sum(each.rate for each in demands)
    if not demand or seconds[-1] <= 1e-5:
        return math.nan
    windows = [(each.window_s, each.rate) for each in demands]
    spare = _capacity(windows, seconds, lanes) - demand
    return float(math.floor(spare / (demand / len(demands)) + 1e-9))


def _capacity(
    windows: Iterable[tuple[float, float]], seconds: Sequence[float], lanes: int
) -> float:
    """windows: each with how often it occurs."""
    ordered = sorted(windows)
    rarest, seen, tight = sum(count for _, count in ordered) / 10.0, 0.0, math.inf
    for window, count in ordered:
        seen += count
        if seen > rarest:
            tight = window
            break
    size = max((size for size in range(1, len(seconds)) if 2 * seconds[size] <= tight), default=1)
    return _PROMISED * lanes * size / seconds[size]
