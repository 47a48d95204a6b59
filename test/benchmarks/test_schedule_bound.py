"""The clairvoyant bound of the scheduling benchmark, against trying everything on small cases."""

from __future__ import annotations

import functools
import itertools
import sys
from pathlib import Path
from random import Random

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # behind the packages under test

from benchmarks.scheduling.bound import most_in_time


def by_trying(released: list[float], due: list[float], latency: list[float]) -> int:
    """Most that any order and any batches serve in time."""

    @functools.cache
    def most(free_at: float, left: frozenset[int]) -> int:
        best = 0
        for size in range(1, len(latency) + 1):
            for batch in itertools.combinations(sorted(left), size):
                end = max(free_at, *(released[each] for each in batch)) + latency[size - 1]
                if all(end <= due[each] for each in batch):
                    best = max(best, size + most(end, left.difference(batch)))
        return best

    return most(float("-inf"), frozenset(range(len(released))))


def small_case(seed: int, agreeable: bool) -> tuple[list[float], list[float], list[float]]:
    """Releases, deadlines and L(1..B); every window holds a full batch.

    agreeable: who is released first is due first.
    """
    random = Random(seed)
    fixed, each = random.uniform(0.1, 1.0), random.uniform(0.05, 0.5)
    latency = [fixed + each * size for size in range(1, random.randint(1, 3) + 1)]
    released = sorted(random.uniform(0.0, 4.0) for _ in range(random.randint(1, 7)))
    same = random.uniform(0.0, 1.5)
    slack = [same if agreeable else random.uniform(0.0, 1.5) for _ in released]
    return released, [r + latency[-1] + s for r, s in zip(released, slack)], latency


def test_with_deadlines_in_the_order_of_the_releases_it_is_exact() -> None:
    for seed in range(150):
        case = small_case(seed, agreeable=True)
        assert most_in_time(*case) == by_trying(*case), f"seed {seed}"


def test_with_deadlines_in_any_order_nobody_does_better() -> None:
    looser = 0
    for seed in range(150):
        case = small_case(seed, agreeable=False)
        bound, possible = most_in_time(*case), by_trying(*case)
        assert bound >= possible, f"seed {seed}"
        looser += bound > possible
    assert looser < 15  # and it is rarely above what is possible


@pytest.mark.parametrize("load", [0.5, 2.0])
def test_a_steady_stream_is_bounded_by_the_capacity(load: float) -> None:
    latency = [0.02 + 0.01 * size for size in range(1, 9)]  # 80 a second in full batches
    released = [number / (80 * load) for number in range(2000)]
    share = most_in_time(released, [at + 0.5 for at in released], latency) / 2000
    assert share == pytest.approx(min(1.0, 1 / load), abs=0.03)
