"""Computes which waiting observations can be in time, and in which batches. Pure arithmetic.

Throughout, `seconds[b]` is how long the model takes for a batch of b (seconds[0] = 0), and times
are counted from now, when the model is free.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    deadlines. O(B^2 n) for batches up to B.
    """
    largest = len(seconds) - 1
    best: list[Candidate] = []
    best_rate = 0.0
    best_first = 0
    for first in range(1, largest - begun + 1):
        end = seconds[first + begun]
        fit = [each for each in candidates if each.slack >= end]
        if len(fit) < first:
            break  # neither would a larger one be full
        for second in range(largest + 1):
            both = pace * end + seconds[second] if second else end
            taken: list[Candidate] = []
            worth = 0.0
            only_now = 0  # those who cannot wait for the second batch
            room = first + second
            for each in fit:
                if not second or each.slack < both:
                    if only_now == first:
                        continue
                    only_now += 1
                taken.append(each)
                worth += each.worth
                if len(taken) == room:
                    break
            if len(taken) < room:
                break
            rate = worth / (pace * (end + seconds[second]))
            if rate >= best_rate:  # of equals the one that looks further
                best, best_rate, best_first = taken, rate, first
    return sorted(best, key=_slack)[:best_first]


def _slack(candidate: Candidate) -> float:
    return candidate.slack
