"""A fleet on one server: latency, losses, processor and memory.

    python -m benchmarks fanin [--clients N ...] [--seconds S] [--batch] [--idle] [--bare]

Every client sends 28 bytes of state at 10 Hz to an identity model that returns float32 [50, 7].
All of them live in one generator process (peers/crowd.py), whose own share of a core and lateness
are printed: where it is late, the figures are its own. `--idle` measures what a server costs to
which clients are connected that say nothing. Memory is judged from 500 clients and 60 s on: before
that, the ring buffers of the metrics still fill. `--against REVISION [--rounds N]` compares a
fleet's latency and the server's share of a core with those of an older build.
"""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from functools import partial
from typing import Any

from .builds import HERE, Build, Cases, Figures
from .comparison import compare, interleave
from .machine import ProcessorShare, introduce, rss_mb
from .options import AGAINST, parse, yes
from .processes import Program

CLIENTS = (1, 10, 100, 500, 1000)
RATE_HZ = 10.0
IDLE_CLIENTS = 500
BARE = 1.5  # x the processor time of a bare ROUTER that answers with as many bytes, at most
BARS = {"p99_ms": 20.0, "growth_mb": 2.0, "idle_cpu": 0.01}
HEAD = f"""{"":54}{"server":>9}{"server":>9}{"2nd half":>9}{"crowd":>9}{"late":>9}
clients{"sent":>9}{"p50":>9}{"p99":>9}{"p99.9":>9}  lost  failed      cpu\
   RSS MB       MB      cpu      p99  within the bars"""
ROW = "{:7}{:9}{:9.2f}{:9.2f}{:9.2f}{:6}{:8}{:9.1%}{:9.1f}{:+9.2f}{:9.1%}{:9.2f}  {}"


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
        memory, processor = [], ProcessorShare(server.pid)
        for _ in range(2):
            halves.append(crowd.ask({"seconds": seconds / 2, "rate_hz": RATE_HZ}))
            memory.append(rss_mb(server.pid))
        share = processor()
    # Of the two halves the worse one: what a fleet notices.
    trips = {key: max(each["trips_ms"][key] for each in halves) for key in ("p50", "p99", "p999")}
    crowds = max(each["cpu"] for each in halves)
    late = max(each["late_ms"]["p99"] for each in halves)
    sent, lost, failed = (sum(each[key] for each in halves) for key in ("sent", "lost", "failed"))
    growth = memory[1] - memory[0]
    judged = clients >= 500 and seconds >= 60
    good = lost == 0 and failed == 0 and trips["p99"] < BARS["p99_ms"]
    good = good and not (judged and growth >= BARS["growth_mb"])
    row = [clients, sent, *trips.values(), lost, failed, share, memory[1], growth, crowds, late]
    print(ROW.format(*row, yes(good)), flush=True)


def beside_bare(clients: int, rounds: int) -> None:
    """The server's processor time for an observation, and a bare ROUTER's for the same bytes."""
    with ExitStack() as stack:
        bare = HERE.program("peers/echo.py", "server", stack=stack)
        pairs = {
            "ours": start(clients, stack),
            "bare": (bare, HERE.crowd(bare.hear(), clients, stack)),
        }
        measures = {who: partial(_microseconds, *pair) for who, pair in pairs.items()}
        found = interleave(measures, rounds)
    ours, bares = (statistics.median(each["us"] for each in found[who]) for who in measures)
    ratio = statistics.median(
        each["us"] / other["us"] for each, other in zip(found["ours"], found["bare"])
    )
    print(
        f"{clients} clients: {ours:.0f} us of processor an observation, a bare ROUTER {bares:.0f};"
        f" {ratio:.2f}x, at most {BARE}x: {yes(ratio <= BARE)}"
    )


def _microseconds(server: Program, crowd: Program) -> Figures:
    processor, begun = ProcessorShare(server.pid), time.monotonic()
    heard = crowd.ask({"seconds": 5.0, "rate_hz": RATE_HZ})
    # the crowd settles first, at the same rate: what that costs is divided by as much time
    seconds = time.monotonic() - begun
    return {"us": 1e6 * processor() * seconds / (heard["sent"] * seconds / 5.0)}


def rest(clients: int, seconds: float) -> None:
    """One line: the processor that a server of silent clients takes."""
    with ExitStack() as stack:
        server, _ = start(clients, stack)
        time.sleep(1.0)  # what came with the greeting is over
        processor = ProcessorShare(server.pid)
        time.sleep(seconds)
        share, memory = processor(), rss_mb(server.pid)
    told, most = f"{share:.2%} of a core, {memory:.1f} MB", BARS["idle_cpu"]
    print(f"idle server, {clients} clients, {seconds:.0f} s: {told};", end=" ")
    print(f"under {most:.0%}: {yes(share < most)}", flush=True)


def cases_of(options: Any, build: Build, stack: ExitStack) -> Cases:
    """What `--against` measures of a build: a crowd each, which says nothing between its turns."""

    def measure(server: Program, crowd: Program) -> Figures:
        processor = ProcessorShare(server.pid)
        heard = crowd.ask({"seconds": min(options.seconds, 5.0), "rate_hz": RATE_HZ})
        share, trips = processor(), heard["trips_ms"]
        return {"p50 ms": trips["p50"], "p99 ms": trips["p99"], "% of a core": 100 * share}

    return {
        f"{clients} clients": partial(measure, *start(clients, stack, options.batch, build))
        for clients in options.clients or CLIENTS[:3]
    }


def main(arguments: list[str]) -> int:
    """Print the table, then the idle server."""
    options = parse(
        "fanin",
        __doc__,
        arguments,
        clients=(int, f"default {CLIENTS}", {"nargs": "+"}),
        seconds=(60.0, "a row; default 60"),
        batch=(False, "a model with infer_batch"),
        idle=(False, "only the idle server"),
        bare=(False, "processor time beside that of a bare ROUTER"),
        rounds=(7, "of --against and --bare"),
        against=AGAINST,
    )
    introduce(f"clients at {RATE_HZ:.0f} Hz, {options.seconds:.0f} s, ms, shares of one core")
    if options.bare:
        for clients in options.clients or (IDLE_CLIENTS,):
            beside_bare(clients, options.rounds)
        return 0
    if options.against:
        return compare(options.against, partial(cases_of, options), options.rounds)
    if not options.idle:
        print(HEAD)
        for clients in options.clients or CLIENTS:
            serve_crowd(clients, options.seconds, options.batch)
    for clients in (options.idle and options.clients) or [IDLE_CLIENTS]:
        rest(clients, min(options.seconds, 30.0))
    return 0
