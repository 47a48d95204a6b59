"""How every client is measured, ours and theirs alike.

Runs in the environment of a published release too: standard library, numpy and pyzmq only.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import zmq

WINDOW = 16  # observations in flight while throughput is measured
PATIENCE_MS = 10_000
ANSWER = np.zeros((50, 7), np.float32)  # what every model returns


class Client(Protocol):
    """What is measured."""

    def send(self) -> None: ...

    def receive(self) -> None:
        """Wait for the next answer; TimeoutError if there is none."""

    def close(self) -> None: ...


class SdkClient:
    """A connection of our package or of the published one: they are used alike."""

    def __init__(self, connection: Any, array: np.ndarray) -> None:
        self.connection = connection
        self.model = connection.model("policy", latency_budget_ms=1000.0)
        self.array = array

    def send(self) -> None:
        self.model.observe(x=self.array)

    def receive(self) -> None:
        if self.model.get_result(PATIENCE_MS) is None:
            raise TimeoutError("the server does not answer")

    def close(self) -> None:
        self.connection.close()


def round_trips_us(client: Client, count: int) -> list[float]:
    """Microseconds of each."""
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        client.send()
        client.receive()
        times.append(1e6 * (time.perf_counter() - begun))
    return times


def requests_per_s(client: Client, count: int) -> float:
    """With WINDOW of them in flight."""
    begun = time.perf_counter()
    for index in range(count + WINDOW):
        if index < count:
            client.send()
        if index >= WINDOW:
            client.receive()
    return count / (time.perf_counter() - begun)


def closed_loop(run: Callable[[float], list[float]], question: dict[str, Any]) -> dict[str, float]:
    """Figures of robots that `run` lets ask for so many seconds; it says what each answer took."""
    run(question["warm_s"])
    begun = time.perf_counter()
    took = run(question["seconds"])
    per_s = len(took) / (time.perf_counter() - begun)
    found = percentiles([1e3 * each for each in took])
    return {"requests/s": per_s, "p50 ms": found["p50"], "p99 ms": found["p99"]}


def answer_questions(open_client: Callable[[str, np.ndarray], Client]) -> None:
    """Measure what each line of stdin asks for, with a connection of its own."""

    def measure(question: dict[str, Any]) -> dict[str, float]:
        array = np.zeros(question["shape"], question["dtype"])
        client = open_client(question["address"], array)
        round_trips_us(client, max(10, question["trips"] // 10))  # warm
        times = round_trips_us(client, question["trips"])
        rate = requests_per_s(client, question["requests"])
        client.close()
        p50, p99 = np.percentile(times, (50, 99))
        return {"p50 us": p50, "p99 us": p99, "requests/s": rate}

    answer(measure)


def answer(measure: Callable[[Any], Any]) -> None:
    """Answer each line of stdin."""
    for line in sys.stdin:
        say(measure(json.loads(line)))


def say(what: Any) -> None:
    """What a program prints once it can be reached, and its answers."""
    print(json.dumps(what), flush=True)


def dealer(context: Any, address: str, name: str | bytes, **options: int) -> Any:
    """A connected client that leaves nothing behind; options by their names in zmq."""
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.IDENTITY, name.encode() if isinstance(name, str) else name)
    for option, value in {"LINGER": 0, **options}.items():
        socket.setsockopt(getattr(zmq, option), value)
    socket.connect(address)
    return socket


def percentiles(values: list[float]) -> dict[str, float]:
    """p50, p99, p99.9 and the largest; NaN where there is nothing."""
    if not values:
        return dict.fromkeys(("p50", "p99", "p999", "max"), float("nan"))
    p50, p99, p999 = np.percentile(values, (50, 99, 99.9))
    return {"p50": p50, "p99": p99, "p999": p999, "max": max(values)}
