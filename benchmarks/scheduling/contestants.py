"""Who is measured: a name, and how to make its server for a workload."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from inferential_core.request import InferenceRequest
from inferential_core.scheduler.base import register_scheduler
from inferential_core.scheduler.batching import BatchScheduler
from inferential_core.simulation.robots import (
    HINTED,
    PINNED,
    PLAIN,
    SEQUENTIAL,
    Habits,
    Observation,
)
from inferential_core.simulation.serving import OurServer
from inferential_core.simulation.simulation import Server
from inferential_core.simulation.workload import Workload
from inferential_core.tracking.latency import LatencyModel

from ..processes import PEERS, Program, published_python
from .lookahead import LOOKAHEAD

AT_ONCE = 8  # max_concurrent_dispatch of the published server


@register_scheduler("benchmark_fifo")
class FifoGreedy(BatchScheduler):
    """Oldest first, as many as the model takes, as soon as it is free."""

    order = attrgetter("waiting_since")

    def choose(
        self, waiting: Sequence[InferenceRequest], limit: int, now: float, latency: LatencyModel
    ) -> list[InferenceRequest]:
        return sorted(waiting, key=self.order)[:limit]


@register_scheduler("benchmark_edf")
class EdfGreedy(FifoGreedy):
    """Earliest deadline first, as many as the model takes, as soon as it is free."""

    order = attrgetter("deadline", "waiting_since")


@functools.cache
def _published() -> Program:
    """One for each process of a campaign; it ends when its stdin does."""
    return Program(published_python("1.4.0"), PEERS / "published_scheduler.py", packages=None)


class PublishedServer(Server):
    """The scheduler of release 1.4.0 with its defaults, in a process and environment of its own.

    As its server does, up to eight requests are taken at a time and the model is called once for
    each; their answers leave together when the last is done. What it drops or lets expire is told
    to nobody. Its server polls every millisecond and calls models on its event loop; neither is
    counted against it here: it is asked the moment the model is free, and takes in requests while
    the model works. together: as if one call served all that it takes.
    """

    def __init__(self, workload: Workload, together: bool = False) -> None:
        self._together = together
        self._at_once = min(AT_ONCE, workload.max_batch) if together else AT_ONCE
        self._program = _published()
        self._program.ask([0.0, [], -1])
        self._numbered: dict[int, Observation] = {}
        self._count = 0
        self._arrived: list[tuple[int, float, str, float, int, int]] = []
        self.longest_wait_s = 0.0
        self._waiting = 0  # at most; what it drops is not told

    def arrive(self, observation: Observation, now: float) -> None:
        name, kind = observation.robot.name, observation.robot.kind
        urgency, steps = float(kind.rogue), observation.steps_remaining
        self._count += 1
        self._numbered[self._count] = observation
        self._arrived.append((self._count, now, name, urgency, steps, kind.tier))
        self._waiting += 1

    def next_batch(self, now: float) -> list[Observation]:
        if not self._waiting:
            return []
        taken = self._program.ask([now, self._arrived, self._at_once])
        self._arrived.clear()
        self._waiting = self._waiting - len(taken) if taken else 0
        batch = [self._numbered.pop(number) for number in taken]
        waits = (now - each.released_s for each in batch if not each.robot.kind.rogue)
        self.longest_wait_s = max(self.longest_wait_s, *waits, 0.0)
        return batch

    def calls(self, size: int) -> list[int]:
        return [size] if self._together else [1] * size


@dataclass(frozen=True)
class Contestant:
    """A scheduler, and the robots that go with it."""

    name: str
    strategy: str = ""  # one of this package, or a registered one
    options: Mapping[str, Any] = field(default_factory=dict)
    other: Callable[[Workload], Server] | None = None  # makes what is none of this package
    supersedes: bool = True  # a newer observation takes the place of an older one that waits
    habits: Habits = PLAIN  # of the robots; others than plain ones exist in a closed loop only
    only: str = ""  # the only workload it runs with; empty: all of them

    @property
    def ours(self) -> bool:
        return self.strategy == "deadline_aware"

    def runs_in(self, loop: str, workload: str) -> bool:
        return self.only in ("", workload) and (loop == "closed" or self.habits == PLAIN)

    def make(self, workload: Workload) -> Server:
        if self.other is not None:
            return self.other(workload)
        return OurServer(workload, self.strategy, self.options, self.supersedes)


FAIR: dict[str, Any] = {"deadline_aware": {"mode": "fair"}}
PROTECT: dict[str, Any] = {"deadline_aware": {"mode": "protect"}}
FIVE_TO_ONE: dict[str, Any] = {"options": {"weights": (5.0, 1.0)}}
STRICT: dict[str, Any] = {"deadline_aware": {"strict_tiers": True}}

# Between the default and strict tiers: how many times more a tier is worth than the next one.
CURVE = [
    Contestant(
        f"strict x{1 + weight:g}{'+hints' * habits.obeys_hints}",
        "deadline_aware",
        {"deadline_aware": {"strict_tiers": True, "priority_weight": weight}},
        habits=habits,
        only=workload,
    )
    for workload, habits, weights in (
        ("W9", PLAIN, (1.0, 1.2, 1.4)),
        ("W7", HINTED, (0.0, 0.2, 0.5)),
    )
    for weight in weights
]

CONTESTANTS = {
    each.name: each
    for each in (
        *CURVE,
        Contestant("fifo-1", "benchmark_fifo", {"max_batch_size": 1}, supersedes=False),
        Contestant("fifo-8-wait", "batch_optimized", supersedes=False),
        Contestant("fifo-8", "benchmark_fifo", supersedes=False),
        Contestant("fifo-8-newest", "benchmark_fifo"),
        Contestant("edf", "benchmark_edf", supersedes=False),
        Contestant("published", other=PublishedServer),
        Contestant("published-b", other=functools.partial(PublishedServer, together=True)),
        Contestant("default", "deadline_aware"),
        Contestant("protect", "deadline_aware", PROTECT),
        Contestant("fair", "deadline_aware", FAIR),
        Contestant("strict", "deadline_aware", STRICT),
        Contestant("lookahead", LOOKAHEAD, supersedes=False),
        Contestant("lookahead-5", LOOKAHEAD, FIVE_TO_ONE, supersedes=False),
        Contestant("default+queued", "deadline_aware", habits=SEQUENTIAL),
        Contestant("edf+queued", "benchmark_edf", supersedes=False, habits=SEQUENTIAL),
        Contestant("lookahead+hints", LOOKAHEAD, habits=HINTED),
        Contestant("edf+hints", "benchmark_edf", habits=HINTED),
        Contestant("fifo-8+hints", "benchmark_fifo", habits=HINTED),  # of which it gives none
        Contestant("default+hints", "deadline_aware", habits=HINTED),
        Contestant("strict+hints", "deadline_aware", STRICT, habits=HINTED),
        Contestant("protect+hints", "deadline_aware", PROTECT, habits=HINTED),
        Contestant("fair+hints", "deadline_aware", FAIR, habits=HINTED),
        Contestant("default+pinned", "deadline_aware", habits=PINNED),
        Contestant("protect+pinned", "deadline_aware", PROTECT, habits=PINNED),
        Contestant("fair+pinned", "deadline_aware", FAIR, habits=PINNED),
    )
}
