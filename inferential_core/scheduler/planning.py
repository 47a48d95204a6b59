"""Computes which waiting observations can be in time, and in which batches. Pure arithmetic.

Throughout, `seconds[b]` is how long the model takes for a batch of b (seconds[0] = 0), and times
are counted from now, when the model is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple


class Candidate(NamedTuple):
    """Somebody who may be in the next batch."""

    worth: float
    slack: float  # s from now; inf where being late makes nothing worse
    item: Any


def all_in_time(
    entries: Sequence[tuple[Any, ...]],
    begin: int,
    start: float,
    seconds: Sequence[float],
    pace: float = 1.0,
) -> bool:
    """Whether entries[begin:], sorted by their deadline (entry[0]), can all be met, in full.

    Earliest deadline first in the largest batches that its head allows, the first one beginning
    at `start` (absolute, as the deadlines are). pace: share of a batch's time after which the
    next one can begin, below 1 where a model has several lanes. O(n / batch size).
    """
    largest = len(seconds) - 1
    at, count = begin, len(entries)
    time = start
    while at < count:
        size = min(largest, count - at)
        deadline = entries[at][0]
        while time + seconds[size] > deadline:
            size -= 1
            if not size:
                return False
        time += pace * seconds[size]
        at += size
    return True


def largest_in_time(within_s: float, seconds: Sequence[float]) -> int:
    """The largest batch that is done `within_s` from now, at least 1."""
    size = len(seconds) - 1
    while size > 1 and seconds[size] > within_s:
        size -= 1
    return size


def densest(
    candidates: Sequence[Candidate], seconds: Sequence[float], begun: int = 0, pace: float = 1.0
) -> list[Candidate]:
    """The batch to serve now so that this one and the next earn the most worth per second.

    candidates: sorted by worth, largest first. begun: places of the batch that are taken already.

    A batch is chosen with its successor because a large one may cost those who wait their
    deadline while it runs. For given sizes b1 and b2 those who can wait for the second batch are
    a subset of those who can be served in the first, so that taking them in order of worth while
    there is room is optimal (a matroid). Of those taken, the first batch gets the earliest
    deadlines. Sizes are left out at which even those of greatest worth would not earn more.
    O(B^2 n) for batches up to B.
    """
    largest = len(seconds) - 1
    best: list[Candidate] = []
    best_rate = 0.0
    best_first = 0
    for first in range(largest - begun, 0, -1):  # of equals the one that looks further
        end = seconds[first + begun]
        fit = [each for each in candidates if each.slack >= end]
        most = [0.0, *accumulate(each.worth for each in fit[: first + largest])]
        for second in range(min(largest, len(fit) - first), -1, -1):
            time = pace * (end + seconds[second])
            room = first + second
            if best and most[room] / time <= best_rate:
                continue
            taken = _taken(fit, first, room, pace * end + seconds[second] if second else end)
            rate = sum(each.worth for each in taken) / time
            if len(taken) == room and (rate > best_rate or not best):
                best, best_rate, best_first = taken, rate, first
    return sorted(best, key=_slack)[:best_first]


def _taken(fit: list[Candidate], first: int, room: int, both: float) -> list[Candidate]:
    """Those of greatest worth, of whom at most `first` have to be done before `both`."""
    taken, only_now = [], 0
    for each in fit:
        if each.slack < both:
            if only_now == first:
                continue
            only_now += 1
        taken.append(each)
        if len(taken) == room:
            break
    return taken


def _slack(candidate: Candidate) -> float:
    return candidate.slack
