"""What scheduling costs while many observations wait: taking one in, and forming a batch."""

from __future__ import annotations

import gc
import itertools
from functools import partial
from random import Random
from statistics import median
from timeit import timeit
from typing import NamedTuple

from inferential_core.config.schema import SchedulingConfig
from inferential_core.request import InferenceRequest
from inferential_core.scheduler.base import register_policy, scheduler_class
from inferential_core.scheduler.batching import BatchScheduler
from inferential_core.simulation.serving import MODEL, SimulatedClock
from inferential_core.tracking.latency import LatencyModel

from ..options import yes
from .workloads import WORKLOADS

QUEUED = 1000
ROUNDS = 300
BARS_US = {"built in": 1000.0, "policy": 3000.0, "submit": 20.0}

STRATEGIES = (  # and the policy
    ("deadline_aware", None),
    ("deadline_aware", "benchmark_policy"),
    ("batch_optimized", None),
    ("priority_tiered", None),
    ("round_robin", None),
)


@register_policy("benchmark_policy")
def score(request: InferenceRequest) -> float:
    """As the published page writes one."""
    if request.urgency > 0.9:
        return 1000.0
    return request.priority * 10.0


class Queue(NamedTuple):
    """When what waits is due, seconds from now, uniformly from least to most."""

    name: str
    least_s: float
    most_s: float


QUEUES = (
    Queue("none is late", 4.0, 8.0),
    Queue("some are late", -0.5, 1.5),
    Queue("all are late", -2.0, -0.1),
)


class Cost(NamedTuple):
    """Medians, microseconds."""

    submit_us: float
    form_us: float


def measure(queue: Queue, strategy: str, policy: str | None = None) -> Cost:
    """Of one strategy with QUEUED waiting: forms a batch, then fills the queue up again."""
    workload = WORKLOADS["W5"]  # the fastest model: the one that is asked most often
    options = {"strategy": strategy, "policy": policy, "max_queue_size": 2 * QUEUED}
    config = SchedulingConfig(**options, max_batch_size=workload.max_batch)
    clock = SimulatedClock()
    scheduler = scheduler_class(strategy)(config)
    assert isinstance(scheduler, BatchScheduler)
    scheduler.clock = clock
    latency = LatencyModel()
    random = Random(0)
    for _ in range(100):
        size = random.randint(1, workload.max_batch)
        latency.learn(size, workload.latency_s(size))
    submits: list[float] = []
    forms: list[float] = []
    numbers = itertools.count(1)
    gc.collect()
    for _ in range(ROUNDS):
        while scheduler.queue_len() < QUEUED:
            request = _request(next(numbers), queue, clock.time, random)
            submits.append(timeit(partial(scheduler.submit, request), number=1))
        clock.time += workload.latency_s(workload.max_batch) / 20
        pick = partial(scheduler.pick, MODEL, workload.max_batch, clock.time, latency)
        forms.append(timeit(pick, number=1))
        scheduler.collect_removed()
    return Cost(1e6 * median(submits[-ROUNDS:]), 1e6 * median(forms))


def _request(number: int, queue: Queue, now: float, random: Random) -> InferenceRequest:
    claimed = {"urgency": random.random(), "steps_remaining": random.randrange(50)}
    claimed |= {"priority": random.randrange(3), "request_id": number}
    request = InferenceRequest(f"robot-{number % (2 * QUEUED)}", MODEL, received_at=now, **claimed)
    request.deadline = now + random.uniform(queue.least_s, queue.most_s)
    return request


def print_costs() -> bool:
    """One line for each strategy and queue; whether all are within the bars."""
    print(f"\nWith {QUEUED} observations waiting, medians of {ROUNDS}, microseconds")
    print(f"{'':32}{'':16}{'submit':>10}{'form a batch':>14}  within the bars")
    well = True
    for strategy, policy in STRATEGIES:
        bar = BARS_US["policy" if policy else "built in"]
        for queue in QUEUES:
            cost = measure(queue, strategy, policy)
            good = cost.submit_us < BARS_US["submit"] and cost.form_us < bar
            well = well and good
            name = f"{strategy}, Python policy" if policy else strategy
            row = f"{name:32}{queue.name:16}{cost.submit_us:10.1f}{cost.form_us:14.0f}"
            print(f"{row}  {yes(good)}", flush=True)
    return well
