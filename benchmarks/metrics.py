"""What measuring costs, and what it costs to be looked at.

    python -m benchmarks metrics [--quick] [--rounds N] [--seconds S] [--robots N]
                                 [--against REVISION]

First the parts: one recording, a quantile query over 10,000 points, a scrape with 200 clients.
Then one server and a crowd at 10 Hz, in interleaved rounds: with the metrics switched off; with
them; and with the page, a `top` and a Prometheus looking on. Everything is processor time, which
others on the machine disturb least; of the server's process where there is one.
"""

from __future__ import annotations

import statistics
import time
import timeit
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from functools import partial

import numpy as np

from inferential_core import LocalDispatcher, Server
from inferential_core.metrics import MetricsStore
from inferential_core.metrics.prometheus import exposition
from inferential_core.metrics.recorder import Recorder
from inferential_core.request import Call, InferenceRequest
from inferential_core.status import Status

from .builds import HERE, Build, Cases, Figures
from .comparison import compare, interleave, medians
from .machine import introduce
from .options import AGAINST, parse, yes
from .watching import Watchers

BARS = {"record_us": 2.0, "query_ms": 2.0, "watched": 1.10}
RATE_HZ = 10.0
POINTS = 10_000
CLIENTS = 200
STATES = {"off": "metrics off", "recorded": "metrics on", "watched": "page, top and Prometheus"}


def best(work: Callable[[], object], number: int) -> float:
    """Seconds one call takes: the best of several runs, which others disturb least."""
    return min(timeit.repeat(work, timer=time.thread_time, number=number, repeat=7)) / number


def measure_parts() -> None:
    """Print a line for each part, and whether it is within its bar."""
    store = MetricsStore(POINTS)
    measuring = Recorder(store)
    dice = np.random.default_rng(1)
    requests = [
        InferenceRequest(f"robot_{index % CLIENTS}", "policy", payload_bytes=28)
        for index in range(POINTS)
    ]
    call = Call("", 1, 0.01)
    for request in requests:
        request.dispatched_at = request.received_at + dice.gamma(2.0, 0.005)
        measuring.ended(request, Status.OK, call, request.dispatched_at + 0.01)
    labels, now = store.labels.of_client("robot_7", "policy"), time.monotonic()
    one = store.table("one").add
    some = iter(requests * 50)
    of_request = best(lambda: measuring.ended(next(some), Status.OK, call, now), 10_000)
    record = best(lambda: one(now, labels, 1.0), 50_000)
    own = best(lambda: store.record("own", 1.0, {"client": "robot_7"}), 20_000)
    measuring.histograms()
    query = best(lambda: store.get_stats("e2e_latency_ms"), 20)
    of_one = best(lambda: store.get_stats("e2e_latency_ms", labels={"client": "robot_7"}), 20)
    of_each = best(lambda: store.get_stats_by("e2e_latency_ms", "client"), 20)
    lines = [
        ("one measurement", 1e6 * record, "us", BARS["record_us"]),
        ("one, by the public `record`", 1e6 * own, "us", BARS["record_us"]),
        ("all that is measured of a request", 1e6 * of_request, "us", None),
        ("quantiles of 10,000 points", 1e3 * query, "ms", BARS["query_ms"]),
        ("of one of 200 clients in these", 1e3 * of_one, "ms", BARS["query_ms"]),
        ("of each of 200 clients", 1e3 * of_each, "ms", None),
    ]
    for name, value, unit, bar in lines:
        verdict = "" if bar is None else f"  under {bar:.0f} {unit}: {yes(value < bar)}"
        print(f"{name:36}{value:8.2f} {unit}{verdict}", flush=True)


def measure_scrape() -> None:
    """Print how long a scrape takes once 200 clients were there, and how large it is."""
    dispatcher = LocalDispatcher({"policy": lambda obs: obs["x"]})
    with ExitStack() as stack:
        server = stack.enter_context(Server("tcp://127.0.0.1:0", dispatcher=dispatcher))
        HERE.crowd(server.address, CLIENTS, stack)
        scrape_ms = 1e3 * best(lambda: exposition(server), 5)
        status_ms = 1e3 * best(server.status, 10)
        told = f"{scrape_ms:8.2f} ms, {len(exposition(server)) / 1e3:.0f} kB"
    print(f"{'a scrape of 200 clients':36}{told}; Server.status() {status_ms:.2f} ms", flush=True)


class Pair:
    """A server of a build and the crowd that asks it."""

    def __init__(self, robots: int, seconds: float, build: Build, stack: ExitStack) -> None:
        self._seconds = seconds
        config = {"http": {"bind": "127.0.0.1:0"}}
        self._server, about = build.server(stack, config=config, models={"policy": {}})
        self._page = about["page"]
        self._crowd = HERE.crowd(about["address"], robots, stack)

    def measure(self, state: str) -> Figures:
        """Processor time of the server an observation, and how long these took."""
        before = self._server.ask({"metrics": {"enabled": state != "off"}})
        watching = Watchers(self._page) if state == "watched" else None
        with watching or nullcontext():
            heard = self._crowd.ask({"seconds": self._seconds, "rate_hz": RATE_HZ})
            after = self._server.ask({})
        if heard["lost"] or heard["failed"]:
            print(f"  {state}: {heard['lost']} lost, {heard['failed']} failed")
        if watching:
            watching.check()
        served = after["ended"] - before["ended"]
        us = 1e6 * (after["cpu_s"] - before["cpu_s"]) / served
        return {"us of processor": us, "p99 ms": heard["trips_ms"]["p99"]}


def measure_pair(robots: int, seconds: float, rounds: int) -> None:
    """Print processor time per observation in each state, and what watching costs."""
    with ExitStack() as stack:
        pair = Pair(robots, seconds, HERE, stack)
        found = interleave({state: partial(pair.measure, state) for state in STATES}, rounds)
    for state, name in STATES.items():
        us, p99_ms = medians(found[state]).values()
        told = f"{us:8.1f} us of processor an observation, p99 {p99_ms:.1f} ms"
        print(f"{name:36}{told}", flush=True)

    def ratio(state: str, other: str) -> float:
        """Of the pairs of each round, not of the medians of each state."""
        pairs = zip(found[state], found[other])
        return statistics.median(a["us of processor"] / b["us of processor"] for a, b in pairs)

    watched, most = ratio("watched", "recorded"), BARS["watched"]
    told = f"watched to not watched {watched:.3f}x, at most {most:.2f}x: {yes(watched <= most)}"
    print(f"{told}; recorded to not recorded {ratio('recorded', 'off'):.3f}x", flush=True)


def cases_of(robots: int, seconds: float, build: Build, stack: ExitStack) -> Cases:
    """What `--against` measures of a build."""
    parts, pair = build.cases("metrics", stack), Pair(robots, seconds, build, stack)
    return {**parts, **{name: partial(pair.measure, state) for state, name in STATES.items()}}


def main(arguments: list[str]) -> int:
    """Print the parts, then the paired run."""
    options = parse(
        "metrics",
        __doc__,
        arguments,
        quick=(False, "a first impression: one short round"),
        rounds=(int, "default 5, quick 1"),
        seconds=(float, "a round; default 10, quick 4"),
        robots=(CLIENTS, f"default {CLIENTS}"),
        against=AGAINST,
    )
    rounds = options.rounds or (1 if options.quick else 5)
    seconds = options.seconds or (4.0 if options.quick else 10.0)
    introduce("what measuring costs")
    if options.against:
        return compare(options.against, partial(cases_of, options.robots, seconds), rounds)
    measure_parts()
    measure_scrape()
    print(f"{options.robots} robots at {RATE_HZ:.0f} Hz, {rounds} rounds of {seconds:.0f} s")
    measure_pair(options.robots, seconds, rounds)
    return 0
