"""What is measured of the server at one moment."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks.machine import cpu_s, rss_mb
from benchmarks.processes import Program


@dataclass(frozen=True)
class Sample:
    """Sizes of the server's process, and how the fleet fared in the ten seconds before."""

    minute: float
    memory_mb: float
    descriptors: int
    threads: int
    tasks: int  # of its event loops
    p50_ms: float
    p99_ms: float
    sent: int
    lost: int  # still without an answer
    failed: int
    cpu_s: float  # used so far
    scrapes: int  # of /metrics, so far
    events: int  # of the page's stream, so far
    exact: bool  # whether the counters added up

    def told(self) -> str:
        """In a line."""
        return (
            f"{self.minute:6.1f} min: {self.memory_mb:7.2f} MB, {self.descriptors} descriptors,"
            f" {self.threads} threads, {self.tasks} tasks, p50 {self.p50_ms:.2f} ms,"
            f" p99 {self.p99_ms:.2f} ms, {self.lost} lost, {self.scrapes} scrapes,"
            f" {self.events} events"
        )


def take(begun: float, server: Program, fleet: dict[str, Any], viewed: dict[str, int]) -> Sample:
    """A sample, now."""
    inside = server.ask({"tasks": True})
    process = psutil.Process(server.pid)
    return Sample(
        minute=(time.monotonic() - begun) / 60.0,
        memory_mb=rss_mb(process.pid),
        descriptors=process.num_fds(),
        threads=process.num_threads(),
        tasks=inside["tasks"],
        p50_ms=fleet["trips_ms"]["p50"],
        p99_ms=fleet["trips_ms"]["p99"],
        sent=fleet["sent"],
        lost=fleet["lost"],
        failed=fleet["failed"],
        cpu_s=cpu_s(process.pid),
        scrapes=viewed["/metrics"],
        events=viewed["/api/stream"],
        exact=inside["exact"],
    )
