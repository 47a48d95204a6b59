"""Computes how many more robots a model can carry."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_USUAL_RATE = 1.0  # observations per second of a robot, where nobody is known
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

    What the model can answer in time, of what they would ask for; NaN where the model's latency
    is not known yet.
    """
    if seconds[-1] <= 1e-5:
        return math.nan
    known = [each for each in demands if each.rate == each.rate]
    usual = usual_rate(known) if known else _USUAL_RATE
    windows = [(each.window_s, each.rate) for each in known]
    return min(1.0, _capacity(windows, seconds, lanes) / (usual * (len(demands) + more)))


def usual_rate(known: Sequence[Demand]) -> float:
    """Observations per second of a robot, on average; what is taken of a new one."""
    return sum(each.rate for each in known) / len(known)


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
