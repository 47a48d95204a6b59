"""Decides when a free model had better wait for a robot that keeps its cadence.

Whoever asks while a batch is served waits for its end. Where it is known when robots will ask, it
is known before the batch begins whether that makes one of them late. Pure: time is an argument.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from .anticipation import LONGEST, Wait
from .client_queue import ClientQueue
from .planning import all_in_time, largest_in_time

_STEADY = 0.25  # of L(1), that a robot which keeps its cadence asks later than expected at most
_COMPARED = 64  # clients, and observations of theirs, that are planned with at most
_ONCE_S = 2.0  # after which a client that asked once only is not expected to go on
_AHEAD = 2.0  # full batches to plan ahead
_LATE = 4  # observations at most that a plan leaves out; where it had to be more, nothing helps


class Expected(NamedTuple):
    """An observation that is here, or will be."""

    deadline: float  # monotonic s
    at: float  # when it is here at the latest


def wait_for_cadence(
    deadlines: Iterable[float],
    clients: Collection[ClientQueue],
    now: float,
    seconds: Sequence[float],
    since: float,
) -> Wait | None:
    """For how long a free model should wait, of which it waited `since` then (NaN: not yet).

    It waits for the next observation that is expected, where the best plan with a batch that
    begins at once makes more observations late than the best plan that begins with this wait.
    Both plans serve what waits, and what is expected while two full batches are served. All
    that wait and could be in time are in time together with those that come. The model waits for
    half of L(1) at most, and only where each of the clients keeps its cadence. None: it does not
    wait. O(n B) for n observations and batches up to B.

    deadlines: of those that wait, monotonic s. seconds[b]: how long a batch of b takes.
    """
    soonest = now + seconds[1]
    here = [Expected(deadline, now) for deadline in sorted(deadlines) if deadline >= soonest]
    if not here:
        return None
    size = largest_in_time(here[0].deadline - now, seconds[: len(here) + 1])
    done = now + seconds[size]
    coming = expected(clients, now, seconds)
    at = min((each.at for each in coming), default=math.inf)
    since = now if math.isnan(since) else since
    if at >= min(done, since + LONGEST * seconds[1]):
        return None
    together = sorted([*here, *(each for each in coming if each.at <= at)])
    if not all_in_time(together, 0, at, seconds):
        return None
    late = fewest_late(sorted([*here[size:], *coming]), done, seconds)
    if not 0 < late <= _LATE or fewest_late(sorted([*here, *coming]), at, seconds) >= late:
        return None
    return Wait(at, 1, "keeps its cadence")


def expected(
    clients: Collection[ClientQueue], now: float, seconds: Sequence[float]
) -> list[Expected]:
    """What clients are expected to ask while two full batches are served.

    It is empty where one of those that still ask keeps no cadence, or where there are too many.
    """
    if len(clients) > _COMPARED:
        return []
    until = now + _AHEAD * seconds[-1]
    coming: list[Expected] = []
    for client in clients:
        interval = client.interval
        if now - client.arrived_at > (2.0 * interval if client.intervals else _ONCE_S):
            continue  # it stopped
        scatter = client.scatter_s
        if not scatter <= _STEADY * seconds[1]:
            return []
        at = client.arrived_at + interval
        if at + scatter <= now:
            at += interval
        while at + scatter <= until:
            if len(coming) == _COMPARED:
                return []
            coming.append(Expected(at + client.window_s, at + scatter))
            at += interval
    return coming


def fewest_late(asked: Sequence[Expected], free_at: float, seconds: Sequence[float]) -> int:
    """How many of them, sorted by deadline, the best plan leaves out, as they would be late.

    A batch takes those with the next deadlines, or the one with the next deadline is left out.
    Of all plans for the first few that leave out as many, the one that is done first is the best.
    More than `_LATE` are counted as one more than that.
    """
    largest = len(seconds) - 1
    # done[n][late]: when the model is done with the first n, if it left out so many of them
    done = [[math.inf] * (_LATE + 1) for _ in range(len(asked) + 1)]
    done[0][0] = free_at
    for first, (deadline, _) in enumerate(asked):
        for late, begin in enumerate(done[first]):
            if late < _LATE:
                done[first + 1][late + 1] = min(begin, done[first + 1][late + 1])
            for size in range(1, min(largest, len(asked) - first) + 1):
                begin = max(begin, asked[first + size - 1].at)
                end = begin + seconds[size]
                if end > deadline:
                    break
                done[first + size][late] = min(end, done[first + size][late])
    return next((late for late, end in enumerate(done[-1]) if end < math.inf), _LATE + 1)
