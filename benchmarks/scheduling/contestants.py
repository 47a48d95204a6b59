"""Who is measured: a name, and how to make its server for a workload."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .published import PublishedServer
from .robots import BRIDGE, PLAIN, Habits
from .serving import OurServer
from .simulation import Server
from .workloads import Workload


@dataclass(frozen=True)
class Contestant:
    """A scheduler, and the robots that go with it."""

    name: str
    make: Callable[[Workload], Server]
    ours: bool = False
    habits: Habits = PLAIN  # of the robots; others than plain ones exist in a closed loop only

    def runs_in(self, loop: str) -> bool:
        return loop == "closed" or self.habits == PLAIN


def _ours(strategy: str, **options: object) -> Callable[[Workload], Server]:
    return lambda workload: OurServer(workload, strategy, **options)


CONTESTANTS = {
    each.name: each
    for each in (
        Contestant("fifo-1", _ours("benchmark_fifo", max_batch_size=1)),
        Contestant("fifo-8-wait", _ours("batch_optimized")),
        Contestant("fifo-8", _ours("benchmark_fifo")),
        Contestant("edf", _ours("benchmark_edf")),
        Contestant("published", PublishedServer),
        Contestant("published-b", lambda workload: PublishedServer(workload, together=True)),
        Contestant("ours", _ours("deadline_aware"), ours=True),
        Contestant("ours+bridge", _ours("deadline_aware"), ours=True, habits=BRIDGE),
    )
}
