"""The bound of the closed loop, against the best that all schedules together can do."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))  # behind the packages under test

from benchmarks.scheduling.motion_bound import Alike, most_motion, most_motion_of  # noqa: E402
from benchmarks.scheduling.workloads import OF_A_SIZE, WORKLOADS  # noqa: E402

Lefts = tuple[int, ...]  # actions that each robot has left


def choices(
    lefts: Lefts, chunk: int, window: int, seconds: Sequence[int], sequential: bool
) -> Iterator[tuple[Lefts, int, int]]:
    """Whatever a free model can do: what is left then, the motion meanwhile, and how long it took.

    It waits for a step, or serves any of those who may ask.
    """
    asking = [robot for robot, left in enumerate(lefts) if left <= window]
    for size in range(min(len(asking), len(seconds)) + 1):
        for served in itertools.combinations(asking, size):
            taken = seconds[size - 1] if size else 1
            moved = [min(left, taken) for left in lefts]
            after = [
                (left - done if sequential else -done) + chunk if robot in served else left - done
                for robot, (left, done) in enumerate(zip(lefts, moved))
            ]
            yield tuple(after), sum(moved), taken


def best_of_all(
    robots: int, chunk: int, window: int, seconds: Sequence[int], sequential: bool
) -> float:
    """The share of time in motion in the best cycle through all states, to a thousandth."""
    most = chunk + (window if sequential else 0)
    ways = {
        lefts: list(choices(lefts, chunk, window, seconds, sequential))
        for lefts in itertools.product(range(most + 1), repeat=robots)
    }
    low, high = 0.0, 1.0
    while high - low > 0.001:
        share = (low + high) / 2
        if has_gain(ways, share * robots):
            low = share
        else:
            high = share
    return low


def has_gain(ways: dict[Lefts, list[tuple[Lefts, int, int]]], motion_per_step: float) -> bool:
    """Whether some cycle moves robots more than that (Bellman and Ford)."""
    value = dict.fromkeys(ways, 0.0)
    for _ in range(len(ways)):
        newer = {
            lefts: max(
                moved - motion_per_step * taken + value[after] for after, moved, taken in way
            )
            for lefts, way in ways.items()
        }
        newer = {lefts: max(value[lefts], best) for lefts, best in newer.items()}
        if newer == value:
            return False
        value = newer
        if max(value.values()) > 1000.0:
            return True
    return True


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize(
    "robots, chunk, window, seconds",
    [
        (1, 4, 0, [1]),
        (1, 5, 2, [2]),
        (2, 4, 1, [2, 3]),
        (2, 5, 2, [2, 3]),
        (2, 4, 0, [3, 3]),
        (3, 4, 1, [2, 2]),
        (3, 4, 2, [1, 2, 2]),
        (3, 3, 1, [2, 3, 4]),
    ],
)
def test_nobody_moves_robots_more_than_the_bound_says(
    robots: int, chunk: int, window: int, seconds: list[int], sequential: bool
) -> None:
    best = best_of_all(robots, chunk, window, seconds, sequential)
    bound = most_motion([Alike(robots, chunk, window, sequential=sequential)], seconds)
    assert best - 0.001 <= bound
    assert bound <= best + (0.001 if robots == 1 else 0.25)  # and it is not far off


def test_it_is_exact_where_only_the_models_time_counts() -> None:
    fleet = [Alike(100, 1.0, 0.5)]
    assert most_motion(fleet, [0.1, 0.1]) == pytest.approx(20 * 1.0 / 100)


def test_it_gives_the_models_time_to_those_whom_it_moves_most() -> None:
    long, short = Alike(10, 2.0, 0.0), Alike(10, 0.5, 0.0)
    alone = most_motion([long], [0.5])
    assert most_motion([long, short], [0.5]) == pytest.approx(alone / 2)


@pytest.mark.parametrize("workload", ["W1", "W2", "W3", "W4", "W5", "W6", "W7"])
def test_fleets_that_the_model_can_carry_move_all_the_time(workload: str) -> None:
    assert most_motion_of(WORKLOADS[workload], 0.9) == 1.0
    assert most_motion_of(WORKLOADS[workload], 2.5) < 1.0


def test_no_order_can_move_robots_with_chunks_of_ten_on_padded_batches_96_percent() -> None:
    steps = WORKLOADS["STEPS"], OF_A_SIZE["STEPS"]
    assert most_motion_of(*steps, sequential=True) < 0.96
