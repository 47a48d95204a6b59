"""A million broken messages against each door: it lives, counts exactly and does not grow.

    python -m robustness fuzz doors [--only DOOR ...] [--messages N] [--seed S]

Between bursts of broken messages a right one must be answered with actions, and connections are
opened whose first bytes are nobody's. Each message ends up in one of two accounts: the server's
(it was an observation, whose outcomes add up) or the door's (it was none). The exit status is 1 if
a promise broke.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import ExitStack
from typing import Any

from benchmarks.builds import HERE
from benchmarks.machine import introduce, rss_mb
from benchmarks.options import parse
from benchmarks.processes import Program

from .door_clients import ATTACKERS, Attacker

BURST = 1600  # broken messages between two right ones
REPORTS = 20
PATIENCE_S = 60.0
GROWTH_MB = 4.0  # of the second half
# So many must be sent for that half to tell: at the GR00T door mutants of names make clients until
# there are as many as the server remembers, which takes about half a million messages.
ENOUGH = 1_000_000
NOISES = 4


def settled(server: Program, sent: int) -> dict[str, Any]:
    """The server's status once everything sent is in its accounts; AssertionError if it is not."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        status: dict[str, Any] = server.ask({})
        refused = sum(status["doors"][0]["errors"].values())
        assert status["exact"], f"an observation is unaccounted: {status}"
        counted = status["received"] + refused
        if counted == sent and not status["queued"] + status["in_flight"]:
            return status
        assert counted <= sent, f"{counted} counted of {sent} sent"
        assert time.monotonic() < deadline, f"{counted} counted of {sent} sent: {status['doors']}"
        time.sleep(0.01)


async def attack(server: Program, attacker: Attacker, messages: int) -> None:
    """AssertionError tells the promise that broke."""
    await attacker.open()
    begun, halfway, reported = time.monotonic(), 0.0, 0
    while attacker.sent < messages:
        await attacker.burst(BURST)
        await attacker.valid()
        if attacker.sent * REPORTS < reported * messages:
            continue
        reported = attacker.sent * REPORTS // messages + 1
        status, memory = settled(server, attacker.sent), rss_mb(server.pid)
        pace = attacker.sent / (time.monotonic() - begun)
        door = ", ".join(f"{n} {why}" for why, n in status["doors"][0]["errors"].items())
        print(
            f"{attacker.sent:9} sent: {status['ok']} ok, {status['rejected']} rejected,"
            f" {status['superseded']} superseded, {status['errors']} errors; refused at the"
            f" door: {door}; {memory:.1f} MB, {pace:.0f}/s",
            flush=True,
        )
        if not halfway and attacker.sent * 2 >= messages:
            halfway = memory
        before = sum(status["doors"][0]["errors"].values())
        for _ in range(NOISES):
            await attacker.noise()
        told = sum(server.ask({})["doors"][0]["errors"].values()) - before
        assert 0 <= told <= NOISES, f"{told} errors of {NOISES} connections"
        attacker.sent += told
    growth = rss_mb(server.pid) - halfway
    judged = attacker.sent >= ENOUGH
    note = "" if judged else f" (not judged: memory settles only after {ENOUGH // 2} messages)"
    print(f"alive, all accounted for; {growth:+.2f} MB in the second half{note}", flush=True)
    assert growth < GROWTH_MB or not judged, f"memory grew by {growth:.1f} MB, at most {GROWTH_MB}"
    await attacker.close()


def main(arguments: list[str]) -> int:
    """0 if every promise held."""
    kinds = [*ATTACKERS]
    options = parse(
        "fuzz doors",
        __doc__,
        arguments,
        only=(kinds, "of the doors", {"choices": kinds}),
        messages=(1_000_000, "at each door"),
        seed=1,
    )
    introduce(f"{options.messages} broken messages a door, seed {options.seed}")
    well = True
    for kind in options.only:
        print(kind)
        with tempfile.TemporaryFile() as log:
            try:
                with ExitStack() as stack:
                    config = {"doors": [{"kind": kind, "bind": "127.0.0.1:0"}]}
                    server, _ = HERE.server(stack, log, config=config)
                    address = server.ask({})["doors"][0]["address"]
                    attacker = ATTACKERS[kind](address, options.seed)
                    asyncio.run(attack(server, attacker, options.messages))
            except (AssertionError, OSError, RuntimeError) as fault:
                log.seek(max(0, log.seek(0, 2) - 4000))
                told = log.read().decode(errors="replace")
                print(f"{told}\nfuzz doors: {kind}: {fault or type(fault).__name__}")
                well = False
            print(f"the server logged {log.seek(0, 2) / 1e6:.2f} MB")
    return 0 if well else 1
