"""What is measured inside a build, with its packages on the path: `tasks.py NAME OPTIONS`.

Tells the cases, then answers each that it is asked for with figures. What it imports is the
build's, `benchmarks` too, so that it keeps to what older revisions have as well.
"""

from __future__ import annotations

import json
import sys
import time
import timeit
from collections.abc import Callable
from functools import partial
from statistics import mean
from typing import Any

from benchmarks.processes import listen, tell

Cases = dict[str, Callable[[], dict[str, float]]]


def convert() -> Cases:
    """What a call of each converter takes."""
    from benchmarks import convert

    def measure(message: Any, *how: Any) -> Callable[[], dict[str, float]]:
        call = partial(convert.decoder(message, *how), message)
        return lambda: {"us": convert.call_us(call, 3)}

    return {name: measure(*case) for name, case in convert.cases().items()}


def metrics(points: int = 10_000, clients: int = 200) -> Cases:
    """A store of metrics, by its public methods."""
    from inferential_core.metrics import MetricsStore

    def best(work: Callable[[], object], number: int) -> float:
        """Seconds of the processor one call takes: the least of several runs."""
        repeated = timeit.repeat(work, timer=time.thread_time, number=number, repeat=5)
        return min(repeated) / number

    store, one = MetricsStore(points), {"client": "robot_7"}
    for number in range(points):
        store.record("own", number % 97, {"client": f"robot_{number % clients}"})
    return {
        "MetricsStore": lambda: {
            "record us": 1e6 * best(lambda: store.record("own", 1.0, one), 20_000),
            "get_stats ms": 1e3 * best(lambda: store.get_stats("own"), 20),
            "get_stats of one ms": 1e3 * best(lambda: store.get_stats("own", labels=one), 20),
            "get_stats_by ms": 1e3 * best(lambda: store.get_stats_by("own", "client"), 5),
        }
    }


def costs() -> Cases:
    """What scheduling costs while much waits."""
    from benchmarks.scheduling import cost

    def measure(queue: cost.Queue, *strategy: Any) -> dict[str, float]:
        found = cost.measure(queue, *strategy)
        return {"submit us": found.submit_us, "form a batch us": found.form_us}

    return {
        f"{policy or strategy}, {queue.name}": partial(measure, queue, strategy, policy)
        for strategy, policy in cost.STRATEGIES
        for queue in cost.QUEUES
    }


def simulations(runs: dict[str, list[Any]], figures: dict[str, dict[str, str]]) -> Cases:
    """Means over runs; figures: of each loop, what they are called -> which are wanted."""
    from benchmarks.scheduling.campaign import Run, play_all

    def measure(each: list[Run]) -> dict[str, float]:
        played = [found for _, found in play_all(each)]
        wanted = figures[each[0].loop]
        return {told: mean(found[name] for found in played) for told, name in wanted.items()}

    return {name: partial(measure, [Run(*run) for run in each]) for name, each in runs.items()}


if __name__ == "__main__":
    measured = globals()[sys.argv[1]](**json.loads(sys.argv[2]))
    tell(list(measured))
    for case in listen():
        tell(measured[case]())
