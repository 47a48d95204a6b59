"""Clients of our doors as their users run them, and openpi's own server (benchmarks/doors.py).

    doors.py openpi | gr00t | ours     a client, in the environment of its packages
    doors.py stock FIXED_MS EACH_MS    the stock openpi server; tells its port

Each client answers {"address", "robots", "trips"} or, in place of trips, "seconds" in closed loop.
Runs in environments without our packages too: standard library, numpy and what is measured.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

IMAGE = np.zeros((224, 224, 3), np.uint8)
STATE = np.zeros(8, np.float32)
ANSWER = np.zeros((10, 7), np.float32)
PROMPT = "pick up the cube"

Ask = Callable[[], Any]


def openpi(address: str) -> Ask:
    from openpi_client.websocket_client_policy import WebsocketClientPolicy

    policy = WebsocketClientPolicy(address, None)
    observation = {"observation/image": IMAGE, "observation/state": STATE, "prompt": PROMPT}
    return lambda: policy.infer(observation)["actions"]


def gr00t(address: str) -> Ask:
    """The transport of inspect-robots-unitree-g1: REQ and msgpack-numpy."""
    import msgpack
    import msgpack_numpy
    import zmq
    from inspect_robots_unitree_g1.policy import ZmqReqTransport

    transport = ZmqReqTransport(
        lambda: zmq.Context.instance().socket(zmq.REQ),
        address,
        30.0,
        dumps=lambda value: msgpack.packb(value, default=msgpack_numpy.encode),
        loads=lambda value: msgpack.unpackb(value, object_hook=msgpack_numpy.decode, raw=False),
        rcvtimeo_option=zmq.RCVTIMEO,
        sndtimeo_option=zmq.SNDTIMEO,
    )
    observation = {
        "video": {"ego_view": IMAGE[None, None]},
        "state": {"arm": STATE[None, None]},
        "language": {"task": [[PROMPT]]},
    }
    return lambda: transport.get_action(observation)


def ours(address: str) -> Ask:
    from inferential_core import Connection

    model = Connection(address).model("policy", latency_budget_ms=200.0)

    def ask() -> Any:
        model.observe(image=IMAGE, state=STATE, prompt=PROMPT)
        result = model.get_result(30_000)
        assert result is not None
        return result["actions"]

    return ask


def stock(fixed_ms: str, each_ms: str) -> None:
    from openpi_server import WebsocketPolicyServer

    seconds = (float(fixed_ms) + float(each_ms)) / 1000.0

    class Policy:
        def infer(self, obs: dict[str, Any]) -> dict[str, Any]:
            if seconds:
                time.sleep(seconds)
            return {"actions": ANSWER}

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    threading.Timer(0.5, print, [port], {"flush": True}).start()
    WebsocketPolicyServer(Policy(), "127.0.0.1", port).serve_forever()


def measure(open_client: Callable[[str], Ask]) -> None:
    """Answer each line of stdin with the figures that it asks for."""
    asks: dict[str, list[Ask]] = {}

    def found(question: dict[str, Any]) -> dict[str, float]:
        address, robots = question["address"], question.get("robots", 1)
        known = asks.setdefault(address, [])
        known += [open_client(address) for _ in range(robots - len(known))]
        times: list[float] = []
        if "trips" in question:
            for number in range(question["trips"] + 10):
                begun = time.perf_counter()
                known[0]()
                times += [time.perf_counter() - begun] if number >= 10 else []
            return figures(times, sum(times))
        until = time.perf_counter() + question["seconds"]
        counts = range(robots)
        threads = [threading.Thread(target=loop, args=(known[n], until, times)) for n in counts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return figures(times, question["seconds"])

    for line in sys.stdin:
        print(json.dumps(found(json.loads(line))), flush=True)


def loop(ask: Ask, until: float, times: list[float]) -> None:
    """One robot: it asks, waits for the answer, and asks again. The last answer comes too late."""
    begun = time.perf_counter()
    while begun < until:
        ask()
        asked, begun = begun, time.perf_counter()
        times += [begun - asked] if begun < until else []


def figures(times: list[float], seconds: float) -> dict[str, float]:
    p50, p95 = np.percentile(times, (50, 95))
    return {"p50 us": 1e6 * p50, "p95 us": 1e6 * p95, "requests/s": len(times) / seconds}


if __name__ == "__main__":
    if sys.argv[1] == "stock":
        stock(*sys.argv[2:])
    else:
        measure({"openpi": openpi, "gr00t": gr00t, "ours": ours}[sys.argv[1]])
