"""The most motion that anybody could give robots who wait for their answers, in the long run.

One model, batches of b <= B in L(b) seconds. A robot whose chunk lasts C is answered again and
again. It asks when w seconds of actions are left (at most its window), so an answer buys C - w of
motion (C where chunks are executed one after the other); and it stands still for at least
max(0, L(b) + d - w), where d is the time on the network. So with n(k, b, w) answers a second to
the robots of kind k, of which there are N_k:

    maximize    sum of (C_k - w) n
    so that     sum of (C_k - w + max(0, L(b) + d - w)) n  <=  N_k    for each kind: its time
                sum of L(b) / b n                          <=  1      the model's time

That is a relaxation, whoever schedules: batches are full, and nobody waits for a batch to begin.
For a price p of the model's time the kinds are independent of each other, and by duality

    min over p >= 0 of   p + sum over k of N_k max(0, max over b, w of (motion - p L(b)/b) / time)

is the optimum; each p gives a bound. The best w is 0, or as much as the robot needs not to stand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from inferential_core.simulation.workload import Workload

_ROUNDS = 100  # of the search, each of which leaves two thirds


class Alike(NamedTuple):
    """Robots that are alike. Times in seconds."""

    count: int
    chunk_s: float
    window_s: float  # they ask with as much left, or later
    network_s: float = 0.0  # there and back
    sequential: bool = False  # a chunk begins where the one before ends


def most_motion(fleet: Sequence[Alike], latency_s: Sequence[float]) -> float:
    """The share of time that robots move at most, on average. latency_s[b - 1] is L(b)."""
    robots = sum(each.count for each in fleet)
    sizes = latency_s[:robots]
    low, high = 0.0, robots / min(seconds / size for size, seconds in enumerate(sizes, 1))

    def bound(price: float) -> float:
        return price + sum(each.count * _worth(each, sizes, price) for each in fleet)

    for _ in range(_ROUNDS):
        third = (high - low) / 3.0
        if bound(low + third) < bound(high - third):
            high -= third
        else:
            low += third
    return min(1.0, bound(low) / robots)


def most_motion_of(workload: Workload, load: float, sequential: bool = False) -> float:
    """The same for the honest robots of a workload."""
    kinds = [each for each in workload.fleet(load) if not each.rogue]
    network_s = 2.0 * (workload.net_s - workload.net_jitter_s)
    fleet = [
        Alike(
            kinds.count(kind), kind.horizon * kind.period_s, kind.window_s, network_s, sequential
        )
        for kind in dict.fromkeys(kinds)
    ]
    return most_motion(fleet, [workload.latency_s(b) for b in range(1, workload.max_batch + 1)])


def _worth(robots: Alike, latency_s: Sequence[float], price: float) -> float:
    """Of one second of one robot: its motion, less what that takes of the model's time."""
    best = 0.0
    for size, seconds in enumerate(latency_s, 1):
        for motion, time in _cycles(robots, seconds):
            best = max(best, (motion - price * seconds / size) / time)
    return best


def _cycles(robots: Alike, seconds: float) -> Iterator[tuple[float, float]]:
    """Motion and time of one answer from a batch that takes so long."""
    away = seconds + robots.network_s
    for left in (0.0, min(robots.window_s, away)):
        motion = robots.chunk_s - (0.0 if robots.sequential else left)
        yield motion, motion + away - left
