"""Time that stands until it is told to move, for code that asks what time it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any

from .base import Scheduler
from .batching import BatchScheduler


class StandingTime:
    """While it is entered, the clocks of module `time` stand, in the whole process.

    A sleep takes as long as ever. Functions that a module took from `time` by name stand for a
    scheduler from when it is `given` to it.
    """

    def __init__(self) -> None:
        self._now_ns = time.monotonic_ns()
        self._ahead_ns = time.time_ns() - self._now_ns  # wall clock
        self._clocks: dict[Callable[[], Any], Callable[[], Any]] = {
            time.monotonic: self.now,
            time.perf_counter: self.now,
            time.monotonic_ns: lambda: self._now_ns,
            time.perf_counter_ns: lambda: self._now_ns,
            time.time: lambda: self.wall_ns() / 1e9,
            time.time_ns: self.wall_ns,
        }
        self._replaced: list[tuple[ModuleType, str, Any]] = []

    def now(self) -> float:
        """Monotonic time, seconds."""
        return self._now_ns / 1e9

    def wall_ns(self) -> int:
        """Wall-clock time, nanoseconds since 1970."""
        return self._now_ns + self._ahead_ns

    def advance(self, seconds: float) -> None:
        """Move on."""
        self._now_ns += round(seconds * 1e9)

    def given(self, scheduler: Scheduler) -> None:
        """Have a scheduler go by it."""
        if isinstance(scheduler, BatchScheduler):
            scheduler.clock = self
        for cls in type(scheduler).__mro__:
            if cls.__module__ in sys.modules:
                self._stop(sys.modules[cls.__module__])

    def __enter__(self) -> StandingTime:
        self._stop(time)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for module, name, clock in self._replaced:
            setattr(module, name, clock)

    def _stop(self, module: ModuleType) -> None:
        for name, value in list(vars(module).items()):
            for clock, stands in self._clocks.items():
                if value is clock:
                    self._replaced.append((module, name, value))
                    setattr(module, name, stands)
