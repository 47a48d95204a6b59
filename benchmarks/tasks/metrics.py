"""Times a store of metrics, by its public methods, with the packages on its path."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable

from benchmarks.processes import listen, tell
from inferential_core.metrics import MetricsStore

POINTS, CLIENTS = 10_000, 200


def best(work: Callable[[], object], number: int) -> float:
    """Seconds of the processor one call takes: the least of several runs."""
    return min(timeit.repeat(work, timer=time.thread_time, number=number, repeat=5)) / number


def main() -> None:
    """Answer each line with the figures."""
    store = MetricsStore(POINTS)
    for number in range(POINTS):
        store.record("own", number % 97, {"client": f"robot_{number % CLIENTS}"})
    one = {"client": "robot_7"}
    for _ in listen():
        tell(
            {
                "record us": 1e6 * best(lambda: store.record("own", 1.0, one), 20_000),
                "get_stats ms": 1e3 * best(lambda: store.get_stats("own"), 20),
                "get_stats of one ms": 1e3 * best(lambda: store.get_stats("own", labels=one), 20),
                "get_stats_by ms": 1e3 * best(lambda: store.get_stats_by("own", "client"), 5),
            }
        )


if __name__ == "__main__":
    main()
