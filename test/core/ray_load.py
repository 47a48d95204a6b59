"""Robots that ask a server in closed loop, and what became of every observation."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from inferential_core import Connection
from inferential_core.status import Status

STATE = np.arange(3, dtype=np.float32)
PATIENCE_MS = 60_000


class Load:
    """Outcomes and waiting times, with when they came (monotonic s)."""

    def __init__(self) -> None:
        self.replies: list[tuple[float, float, Status, str]] = []  # when, waited s, status, error
        self.lost = 0  # observations without any outcome

    def count(self, since: float = 0.0) -> Counter[Status]:
        return Counter(status for when, _, status, _ in list(self.replies) if when >= since)

    def longest_s(self) -> float:
        return max((waited for _, waited, _, _ in list(self.replies)), default=0.0)

    def first_ok(self, since: float) -> float | None:
        """When, after `since`, the first good answer came."""
        good = [when for when, _, status, _ in list(self.replies) if status is Status.OK]
        return min((when for when in good if when >= since), default=None)


@contextmanager
def load(
    address: str, model: str, robots: int, named: str = "robot", **observation: Any
) -> Iterator[Load]:
    """Robots at work; when the block ends each of them finishes its last observation."""
    result, stop = Load(), threading.Event()

    def drive(number: int) -> None:
        with Connection(address, client_id=f"{named}-{number}") as connection:
            handle = connection.model(model, latency_budget_ms=PATIENCE_MS)
            while not stop.is_set():
                begun = time.monotonic()
                handle.observe(**(observation or {"state": STATE}))
                reply = handle.get_reply(timeout_ms=PATIENCE_MS)
                now = time.monotonic()
                if reply is None:
                    result.lost += 1
                    continue
                result.replies.append((now, now - begun, reply.status, reply.error))
                if reply.status is not Status.OK:
                    stop.wait(0.02)  # as a robot would: it holds, and asks again

    threads = [threading.Thread(target=drive, args=(number,)) for number in range(robots)]
    for thread in threads:
        thread.start()
    try:
        yield result
    finally:
        stop.set()
        for thread in threads:
            thread.join()
