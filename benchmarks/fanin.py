"""A fleet on one server: latency, losses, processor and memory.

    python -m benchmarks fanin [--clients N ...] [--seconds S] [--batch] [--idle]

Every client sends 28 bytes of state at 10 Hz to an identity model that returns float32 [50, 7].
All of them live in one generator process (peers/crowd.py), whose own share of a core and lateness
are printed: where it is late, the figures are its own. `--idle` measures what a server costs to
which clients are connected that say nothing. Memory is judged from 500 clients and 60 s on: before
that, the ring buffers of the metrics still fill. `--against REVISION [--rounds N]` compares a
fleet's latency and the server's share of a core with those of an older build.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from functools import partial
from typing import Any

from .builds import HERE, Build
from .comparison import Cases, Figures, add_against, compare
from .machine import cpu_s, introduce, rss_mb
from .processes import Program

CLIENTS = (1, 10, 100, 500, 1000)
RATE_HZ = 10.0
IDLE_CLIENTS = 500
BARS = {"p99_ms": 20.0, "growth_mb": 2.0, "idle_cpu": 0.01}


def start(
    clients: int, stack: ExitStack, batches: bool = False, build: Build = HERE
) -> tuple[Program, Program]:
    """A server and `clients` connected ones, each known to it."""
    server, about = build.server(stack, models={"policy": {"batches": batches}})
    return server, HERE.crowd(about["address"], clients, stack)


def serve_crowd(clients: int, seconds: float, batches: bool) -> None:
    """One row of the table."""
    with ExitStack() as stack:
        server, crowd = start(clients, stack, batches)
        halves: list[dict[str, Any]] = []
        memory, used, begun = [rss_mb(server.pid)], cpu_s(server.pid), time.monotonic()
        for _ in range(2):
            halves.append(crowd.ask({"seconds": seconds / 2, "rate_hz": RATE_HZ}))
            memory.append(rss_mb(server.pid))
        share = (cpu_s(server.pid) - used) / (time.monotonic() - begun)
    # Of the two halves the worse one: what a fleet notices.
    trips = {key: max(half["trips_ms"][key] for half in halves) for key in ("p50", "p99", "p999")}
    late = max(half["late_ms"]["p99"] for half in halves)
    row = f"{clients:7}{sum(half['sent'] for half in halves):9}"
    row += "".join(f"{each:9.2f}" for each in trips.values())
    lost, failed = (sum(half[key] for half in halves) for key in ("lost", "failed"))
    row += f"{lost:6}{failed:8}{share:9.1%}"
    row += f"{memory[-1]:9.1f}{memory[-1] - memory[-2]:+9.2f}"
    row += f"{max(half['cpu'] for half in halves):9.1%}{late:9.2f}"
    good = lost == 0 and failed == 0 and trips["p99"] < BARS["p99_ms"]
    if clients >= 500 and seconds >= 60:
        good = good and memory[-1] - memory[-2] < BARS["growth_mb"]
    print(f"{row}  {'yes' if good else 'NO'}", flush=True)


def rest(clients: int, seconds: float) -> None:
    """One line: the processor that a server of silent clients takes."""
    with ExitStack() as stack:
        server, _ = start(clients, stack)
        time.sleep(1.0)  # what came with the greeting is over
        used, begun = cpu_s(server.pid), time.monotonic()
        time.sleep(seconds)
        share = (cpu_s(server.pid) - used) / (time.monotonic() - begun)
        memory = rss_mb(server.pid)
    verdict = "yes" if share < BARS["idle_cpu"] else "NO"
    print(
        f"idle server, {clients} clients, {seconds:.0f} s: {share:.2%} of a core,"
        f" {memory:.1f} MB; under {BARS['idle_cpu']:.0%}: {verdict}",
        flush=True,
    )


def cases_of(
    counts: list[int], seconds: float, batches: bool, build: Build, stack: ExitStack
) -> Cases:
    """What `--against` measures of a build: a crowd each, which says nothing between its turns."""

    def measure(server: Program, crowd: Program) -> Figures:
        used, begun = cpu_s(server.pid), time.monotonic()
        heard = crowd.ask({"seconds": seconds, "rate_hz": RATE_HZ})
        share = (cpu_s(server.pid) - used) / (time.monotonic() - begun)
        trips = heard["trips_ms"]
        return {"p50 ms": trips["p50"], "p99 ms": trips["p99"], "% of a core": 100 * share}

    return {
        f"{clients} clients": partial(measure, *start(clients, stack, batches, build))
        for clients in counts
    }


def main(arguments: list[str]) -> int:
    """Print the table, then the idle server."""
    parser = argparse.ArgumentParser(prog="fanin", description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, nargs="+", help=f"default {CLIENTS}")
    parser.add_argument("--seconds", type=float, default=60.0, help="a row; default 60")
    parser.add_argument("--batch", action="store_true", help="a model with infer_batch")
    parser.add_argument("--idle", action="store_true", help="only the idle server")
    parser.add_argument("--rounds", type=int, default=7, help="of --against")
    add_against(parser)
    options = parser.parse_args(arguments)
    introduce(f"clients at {RATE_HZ:.0f} Hz, {options.seconds:.0f} s, ms, shares of one core")
    if options.against:
        counts = options.clients or list(CLIENTS[:3])
        cases = partial(cases_of, counts, min(options.seconds, 5.0), options.batch)
        return compare(options.against, cases, options.rounds)
    if not options.idle:
        print(f"{'':40}{'':14}{'server':>9}{'server':>9}{'2nd half':>9}{'crowd':>9}{'late':>9}")
        heads = ("sent", "p50", "p99", "p99.9")
        print(
            f"clients{''.join(f'{head:>9}' for head in heads)}  lost  failed      cpu"
            "   RSS MB       MB      cpu      p99  within the bars"
        )
        for clients in options.clients or CLIENTS:
            serve_crowd(clients, options.seconds, options.batch)
    for clients in (options.clients or [IDLE_CLIENTS]) if options.idle else [IDLE_CLIENTS]:
        rest(clients, min(options.seconds, 30.0))
    return 0
