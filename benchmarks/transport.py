"""Round trip and throughput of the server against a bare ZeroMQ echo of the same bytes.

Identity model, answers float32 [50, 7]. Each server is a process of its own; rounds are
interleaved and medians reported, so that what else the machine does hits both alike. The echo is
the floor: the same frames, sent back by the shortest program possible.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe

import numpy as np
import zmq

from inferential_core import Connection, LocalDispatcher, Server
from inferential_core.wire.observation import ObservationHeader, encode_observation

CASES = {
    "state, 28 B": (np.zeros(7, np.float32), 1000, 2000),
    "60 kB": (np.zeros(60_000, np.uint8), 500, 1000),
    "224x224x3": (np.zeros((224, 224, 3), np.uint8), 500, 1000),
    "1280x720x3": (np.zeros((720, 1280, 3), np.uint8), 100, 200),
}
ROUNDS = 5
WINDOW = 16  # observations in flight while throughput is measured
PATIENCE_MS = 10_000
ANSWER = np.zeros((50, 7), np.float32)


def serve_echo(pipe: Pipe) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    pipe.send(f"tcp://127.0.0.1:{port}")
    answer = [b"", bytes(100), ANSWER.tobytes()]
    while True:
        identity = socket.recv()
        while socket.recv(copy=False).more:
            pass
        socket.send_multipart([identity, *answer])


def serve_ours(pipe: Pipe) -> None:
    with Server(
        "tcp://127.0.0.1:0", dispatcher=LocalDispatcher({"policy": lambda obs: ANSWER})
    ) as server:
        pipe.send(server.address)
        pipe.recv()


class EchoClient:
    def __init__(self, address: str, array: np.ndarray) -> None:
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.connect(address)
        header = ObservationHeader("bench", "policy", request_id=1)
        self.frames = encode_observation(header, {"x": array})

    def send(self) -> None:
        for frame in self.frames[:-1]:
            self.socket.send(frame, zmq.SNDMORE)
        self.socket.send(self.frames[-1], copy=len(self.frames[-1]) < 65536)

    def receive(self) -> None:
        if not self.socket.poll(PATIENCE_MS):
            raise TimeoutError("the echo does not answer")
        while self.socket.recv(copy=False).more:
            pass

    def close(self) -> None:
        self.socket.close(0)


class OurClient:
    def __init__(self, address: str, array: np.ndarray) -> None:
        self.connection = Connection(address)
        self.model = self.connection.model("policy", latency_budget_ms=1000.0)
        self.array = array

    def send(self) -> None:
        self.model.observe(x=self.array)

    def receive(self) -> None:
        if self.model.get_result(PATIENCE_MS) is None:
            raise TimeoutError("the server does not answer")

    def close(self) -> None:
        self.connection.close()


SERVERS = {"echo": (serve_echo, EchoClient), "ours": (serve_ours, OurClient)}


def round_trips(client: EchoClient | OurClient, count: int) -> tuple[float, float]:
    """Median and 99th percentile in microseconds."""
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        client.send()
        client.receive()
        times.append(1e6 * (time.perf_counter() - begun))
    return float(np.percentile(times, 50)), float(np.percentile(times, 99))


def throughput(client: EchoClient | OurClient, count: int) -> float:
    """Requests per second with WINDOW of them in flight."""
    begun = time.perf_counter()
    for index in range(count + WINDOW):
        if index < count:
            client.send()
        if index >= WINDOW:
            client.receive()
    return count / (time.perf_counter() - begun)


def measure() -> dict[str, dict[str, list[tuple[float, float, float]]]]:
    """case -> server -> (p50 us, p99 us, requests/s) of each round."""
    spawn = multiprocessing.get_context("spawn")
    results: dict[str, dict[str, list[tuple[float, float, float]]]] = {
        case: {name: [] for name in SERVERS} for case in CASES
    }
    processes, addresses = [], {}
    try:
        for name, (serve, _) in SERVERS.items():
            here, there = spawn.Pipe()
            process = spawn.Process(target=serve, args=(there,), daemon=True)
            process.start()
            processes.append(process)
            addresses[name] = here.recv()
        for case, (array, trips, requests) in CASES.items():
            for _ in range(ROUNDS):
                for name, (_, client_class) in SERVERS.items():
                    client = client_class(addresses[name], array)
                    round_trips(client, trips // 10)
                    p50, p99 = round_trips(client, trips)
                    results[case][name].append((p50, p99, throughput(client, requests)))
                    client.close()
    finally:
        for process in processes:
            process.terminate()
            process.join()
    return results


def median(rounds: list[tuple[float, float, float]], pick: Callable[..., float]) -> float:
    return statistics.median(pick(values) for values in rounds)


def main() -> None:
    """Print one table."""
    print(f"round trip and pipelined throughput, {os.cpu_count()} cores, {ROUNDS} rounds, medians")
    print(f"{'':14}{'p50 us':>16}{'p99 us':>16}{'requests/s':>18}{'p50 / floor':>14}")
    for case, servers in measure().items():
        floor = median(servers["echo"], lambda values: values[0])
        for name, rounds in servers.items():
            p50, p99, rate = (median(rounds, lambda v, i=i: v[i]) for i in range(3))  # type: ignore[misc]
            label = case if name == "echo" else ""
            print(
                f"{label:14}{name:>6}{p50:10.0f}{p99:16.0f}{rate:18.0f}{p50 / floor:13.2f}x",
                flush=True,
            )


if __name__ == "__main__":
    main()
