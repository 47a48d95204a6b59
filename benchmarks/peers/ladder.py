"""Clients that each ask again as soon as they are answered; a thread each.

    ladder.py ADDRESS CLIENTS

Asked {"seconds": S}, tells how many were answered a second, and the median of each client's worst.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time

import numpy as np

from benchmarks.processes import listen, tell
from inferential_core import Connection

STATE = np.zeros(7, np.float32)


def ask(connection: Connection, seconds: float, trips: list[float]) -> None:
    """One client; the times of its round trips, ms."""
    model = connection.model("policy")
    end = time.monotonic() + seconds
    while (began := time.monotonic()) < end:
        model.observe(state=STATE)
        if model.get_result(10_000) is None:
            raise SystemExit("an observation was not answered")
        trips.append(1000 * (time.monotonic() - began))


def main(address: str, clients: int) -> None:
    connections = [Connection(address, f"client-{index}") for index in range(clients)]
    for question in listen():
        trips: list[list[float]] = [[] for _ in connections]
        threads = [
            threading.Thread(target=ask, args=(each, question["seconds"], own))
            for each, own in zip(connections, trips)
        ]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answered = sum(map(len, trips)) / (time.monotonic() - began)
        tell({"per_s": answered, "p50_ms": max(map(statistics.median, trips))})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
