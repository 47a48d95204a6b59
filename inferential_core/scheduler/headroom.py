"""Computes how many more robots a model can carry."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

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

    rate: float  # observations per second; NaN: it is new, and nobody knows
    window_s: float  # from the arrival of one to its deadline; inf where unknown
    tier: int = 1
    follows_hints: bool = True  # it asks later where it is told to


def headroom(demands: Sequence[Demand], seconds: Sequence[float], lanes: int = 1) -> float:
    """How many more robots like those that ask now the model can carry.

    Negative: so many too many. NaN where nobody asks or the model's latency is not known yet.
    """
    known = [each for each in demands if each.rate == each.rate]
    if not known or seconds[-1] <= 1e-5:
        return math.nan
    usual = usual_rate(known)
    spare = _capacity([(each.window_s, each.rate) for each in known], seconds, lanes)
    return float(math.floor(spare / usual - len(demands) + 1e-9))


def share_in_time(
    demands: Sequence[Demand], more: int, seconds: Sequence[float], lanes: int = 1
) -> float:
    """The share of answers in time, with so many more robots like those that ask now.

    What the model can answer in time, of what they would ask for. NaN where nobody's demand is
    known yet; then 0 where a full batch of robots is there to find that out with.
    """
    known = [each for each in demands if each.rate == each.rate]
    if not known:
        return math.nan if len(demands) < len(seconds) - 1 else 0.0
    windows = [(each.window_s, each.rate) for each in known]
    asked = usual_rate(known) * (len(demands) + more)
    return min(1.0, _capacity(windows, seconds, lanes) / asked)


class Spread(NamedTuple):
    """What becomes of a fleet that asks as late as it may."""

    size: int  # of the batches that robots are asked to leave time for
    load: float  # share of the model's time that it then asks for


def spread(demands: Sequence[Demand], seconds: Sequence[float], lanes: int = 1) -> Spread:
    """The size of the batches that robots are asked to leave time for, and the load with them.

    A robot that waits for the batch at hand and then for its own can ask as late as 2 L(b) before
    it is dry: the smaller the batches are, the later, and so the more seldom. But smaller batches
    answer fewer a second. So it is the largest size at which the model can answer what robots ask
    as late as that, and where there is none, the size that comes nearest. At most 17 sizes are
    compared, in even steps: O(robots).
    """
    known = [each for each in demands if each.rate < math.inf]
    interval_s = np.array([1.0 / each.rate for each in known])
    window_s = np.array(
        [
            each.window_s if each.follows_hints and each.window_s < math.inf else 0.0
            for each in known
        ]
    )
    largest = len(seconds) - 1
    best = Spread(largest, math.inf)
    for size in range(largest, 0, -max(1, largest // 16)):
        late_s = np.maximum(0.0, window_s - 2.0 * seconds[size])
        load = float(np.sum(1.0 / (interval_s + late_s))) * seconds[size] / (size * lanes)
        if load < best.load:
            best = Spread(size, load)
        if load <= _PROMISED:
            break
    return best


def usual_rate(demands: Iterable[Demand]) -> float:
    """Observations per second of a robot, on average of those that are known; NaN: none is."""
    known = [each.rate for each in demands if each.rate == each.rate]
    return sum(known) / len(known) if known else math.nan


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
