"""Who is measured: a name, and how to make its server for a workload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import baselines  # noqa: F401  registers them
from .published import PublishedServer
from .robots import HINTED, PINNED, PLAIN, Habits
from .serving import OurServer
from .simulation import Server
from .workloads import Workload


@dataclass(frozen=True)
class Contestant:
    """A scheduler, and the robots that go with it."""

    name: str
    strategy: str = ""  # one of this package, or a registered one
    options: Mapping[str, Any] = field(default_factory=dict)
    other: Callable[[Workload], Server] | None = None  # makes what is none of this package
    ours: bool = False
    supersedes: bool = True  # a newer observation takes the place of an older one that waits
    habits: Habits = PLAIN  # of the robots; others than plain ones exist in a closed loop only

    def runs_in(self, loop: str) -> bool:
        return loop == "closed" or self.habits == PLAIN

    def make(self, workload: Workload) -> Server:
        if self.other is not None:
            return self.other(workload)
        return OurServer(workload, self.strategy, self.options, self.supersedes)


FAIR: dict[str, Any] = {"deadline_aware": {"mode": "fair"}}

CONTESTANTS = {
    each.name: each
    for each in (
        Contestant("fifo-1", "benchmark_fifo", {"max_batch_size": 1}, supersedes=False),
        Contestant("fifo-8-wait", "batch_optimized", supersedes=False),
        Contestant("fifo-8", "benchmark_fifo", supersedes=False),
        Contestant("fifo-8-newest", "benchmark_fifo"),
        Contestant("edf", "benchmark_edf", supersedes=False),
        Contestant("published", other=PublishedServer),
        Contestant("published-b", other=lambda workload: PublishedServer(workload, together=True)),
        Contestant("protect", "deadline_aware", ours=True),
        Contestant("fair", "deadline_aware", FAIR, ours=True),
        Contestant("fifo-8+hints", "benchmark_fifo", habits=HINTED),  # of which it gives none
        Contestant("protect+hints", "deadline_aware", ours=True, habits=HINTED),
        Contestant("fair+hints", "deadline_aware", FAIR, ours=True, habits=HINTED),
        Contestant("protect+pinned", "deadline_aware", ours=True, habits=PINNED),
        Contestant("fair+pinned", "deadline_aware", FAIR, ours=True, habits=PINNED),
    )
}
