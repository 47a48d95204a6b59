"""Robots of a slippery model and of an honest one, and what they found."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.options import parse, verdicts, yes
from benchmarks.processes import Program
from inferential_core import Connection, Status

from .mistakes import ALL, NAMES, SLIPS

SERVING = Path(__file__).with_name("serving.py")
HONEST_HZ, HONEST = 25.0, 2
PACE_S = 0.04  # from the end of one slip to the next: it is a robot that asks for them
WAIT_MS = 60_000.0  # for any answer, and for a replica that has to be started again
SLOWER, MOST_MS = 1.2, 20.0  # the honest robots' p99: where no process ends, and where some do
RUNWAY_S = 0.4  # of a plan of 0.8 s that is asked for at half
ROUNDS = 2  # of slips and calm in turn: the machine may be busy for a while


@dataclass
class Found:
    """What a run found."""

    outcomes: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    honest_s: list[float] = field(default_factory=list)
    asked: int = 0

    def add(self, other: Found) -> None:
        """What another run found, too."""
        self.outcomes += other.outcomes
        self.broken += other.broken
        self.honest_s += other.honest_s

    def p99_ms(self) -> float:
        """Of the honest robots' round trips."""
        return 1e3 * float(np.percentile(self.honest_s or [np.nan], 99))


def _be_honest(address: str, number: int, found: Found, ended: threading.Event) -> None:
    with Connection(address, client_id=f"honest-{number}") as robot:
        model = robot.model("honest", latency_budget_ms=5000)
        while not ended.wait(1.0 / HONEST_HZ):
            value = np.float64([random.random()])
            model.observe(x=value)
            reply = model.get_reply(timeout_ms=WAIT_MS)
            found.asked += 1
            if reply is None or reply.result is None or reply.result["x"] != value:
                found.broken.append(f"an honest robot got {reply}")
                return
            found.honest_s.append(reply.received_at - reply.sent_at)


@contextlib.contextmanager
def _honest_robots(address: str, found: Found) -> Iterator[None]:
    """Ask all the time."""
    ended = threading.Event()
    robots = [
        threading.Thread(target=_be_honest, args=(address, number, found, ended))
        for number in range(HONEST)
    ]
    for each in robots:
        each.start()
    try:
        yield
    finally:
        ended.set()
        for each in robots:
            each.join()


def run(way: str, count: int, seed: int, calm: bool = False, pace_s: float = PACE_S) -> Found:
    """Let so many slips happen; calm: as many calls, and none of them slips."""
    chance, found = random.Random(seed), Found()
    names = list(SLIPS) if way == "threads" else list(ALL)
    with (
        open(os.devnull, "w+b") as nowhere,
        Program(sys.executable, SERVING, way, log=nowhere) as server,
    ):
        address = server.hear()
        with Connection(address, client_id="slips") as robot:
            models = [robot.model(name, 5000.0) for name in ("one", "batch")]
            for model in [*models, robot.model("honest", 5000.0)]:
                _answers_well(model, found)
            with _honest_robots(address, found):
                for _ in range(count):
                    time.sleep(pace_s)
                    slip, model = chance.choice(names), chance.choice(models)
                    odd = chance.randrange(9)
                    reply = _ask(model, found, -1 if calm else NAMES.index(slip), odd)
                    if reply is None or reply.status is Status.WAITING:
                        found.broken.append(f"{slip!r} of {model.model_id!r} found no end")
                        break
                    found.outcomes[str(reply.status)] += 1
                    if reply.status is not Status.OK:
                        _answers_well(model, found)
        try:
            account = server.ask({})
            if not account["exact"]:
                found.broken.append("the server's counters do not add up")
            if account["received"] != found.asked:
                told = f"{found.asked} were asked, {account['received']} received"
                found.broken.append(told)
        except RuntimeError as error:
            found.broken.append(f"the server ended: {error}")
        server.finish()
    return found


def _ask(model: Any, found: Found, slip: int, odd: int) -> Any:
    model.observe(x=np.zeros(3), slip=slip, odd=odd)
    found.asked += 1
    return model.get_reply(timeout_ms=WAIT_MS)


def _answers_well(model: Any, found: Found) -> None:
    """Wait until it does; what it runs in may have to be started, or started again."""
    until = time.monotonic() + WAIT_MS / 1e3
    while (reply := _ask(model, found, -1, 0)) is None or reply.status is not Status.OK:
        if time.monotonic() > until:
            found.broken.append(f"{model.model_id!r} is gone for good: {reply}")
            return
        time.sleep(PACE_S)


def _compare(way: str, count: int, seed: int) -> Found:
    """Slips and calm in turn, told in a line."""
    slips, calm = Found(), Found()
    for turn in range(ROUNDS):
        share = count * (turn + 1) // ROUNDS - count * turn // ROUNDS
        slips.add(run(way, share, seed + turn))
        calm.add(run(way, share, seed + turn, calm=True))
    outcomes = ", ".join(f"{number} {name}" for name, number in sorted(slips.outcomes.items()))
    p99, calm_p99, longest_s = slips.p99_ms(), calm.p99_ms(), max(slips.honest_s, default=np.nan)
    bar = SLOWER * calm_p99 if way == "threads" else MOST_MS
    bars = {f"p99 at most {bar:.1f} ms": p99 <= bar, "no robot dry": longest_s < RUNWAY_S}
    print(
        f"{way:>10}: {count} slips: {outcomes}; honest robots' p99 {p99:.1f} ms, longest"
        f" {1e3 * longest_s:.0f} ms, of {len(slips.honest_s)}; while nothing slips {calm_p99:.1f}"
        f" and {1e3 * max(calm.honest_s, default=np.nan):.0f} ms, of {len(calm.honest_s)};"
        f" {verdicts(bars)}",
        flush=True,
    )
    slips.broken += calm.broken
    return slips


def main(arguments: list[str]) -> int:
    """0 if nothing fell."""
    known = {"threads": 800, "processes": 180, "ray": 20}
    options = parse("slips", __doc__, arguments, **known, seed=1)
    broken = []
    for way in known:
        if count := getattr(options, way):
            broken += _compare(way, count, options.seed).broken
    for each in broken:
        print(each, file=sys.stderr)
    print(f"nothing fell: {yes(not broken)}")
    return 1 if broken else 0
