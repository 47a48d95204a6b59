"""The published scheduler as a server under test: it runs in a process and environment of its own.

As its server does, up to eight requests are taken at a time and the model is called once for each;
their answers leave together when the last is done. What it drops or lets expire is told to nobody.
Its server polls every millisecond and calls models on its event loop; neither is counted against
it here: it is asked the moment the model is free, and takes in requests while the model works.
"""

from __future__ import annotations

import functools

from ..processes import ROOT, Program, published_python
from .robots import Observation
from .simulation import Server
from .workloads import Workload

PEER = ROOT / "benchmarks" / "peers" / "published_scheduler.py"
AT_ONCE = 8  # its max_concurrent_dispatch


@functools.cache
def _process() -> Program:
    """One for each process of a campaign; it ends when its stdin does."""
    return Program(published_python("1.4.0"), PEER, packages=None)


class PublishedServer(Server):
    """Release 1.4.0 with its defaults. together: as if one call served all that it takes."""

    def __init__(self, workload: Workload, together: bool = False) -> None:
        self._together = together
        self._at_once = min(AT_ONCE, workload.max_batch) if together else AT_ONCE
        self._program = _process()
        self._program.ask([0.0, [], -1])
        self._numbered: dict[int, Observation] = {}
        self._count = 0
        self._arrived: list[tuple[int, float, str, float, int, int]] = []
        self.longest_wait_s = 0.0
        self._waiting = 0  # at most; what it drops is not told

    def arrive(self, observation: Observation, now: float) -> None:
        robot = observation.robot
        urgency = 1.0 if robot.kind.rogue else 0.0
        self._count += 1
        self._numbered[self._count] = observation
        self._arrived.append(
            (self._count, now, robot.name, urgency, observation.steps_remaining, robot.kind.tier)
        )
        self._waiting += 1

    def next_batch(self, now: float) -> list[Observation]:
        if not self._waiting:
            return []
        taken = self._program.ask([now, self._arrived, self._at_once])
        self._arrived.clear()
        self._waiting = self._waiting - len(taken) if taken else 0
        batch = [self._numbered.pop(number) for number in taken]
        for each in batch:
            if not each.robot.kind.rogue:
                self.longest_wait_s = max(self.longest_wait_s, now - each.released_s)
        return batch

    def calls(self, size: int) -> list[int]:
        return [size] if self._together else [1] * size
