"""What a client that misbehaves costs the others.

    python -m robustness isolation [--only WORD ...] [--rounds N] [--seconds S] [--robots N]

An honest fleet at 10 Hz is measured alone, while one client misbehaves towards its server, and
while the same client does the same to another server on this machine: what the fleet pays then is
for the processor that the attacker and its server take from it, not for anything its own server
does. Rounds are interleaved and their order changes; the lower quartiles of their p99 are
compared, as what else the machine does only makes rounds slower.
"""

from __future__ import annotations

import random
import sys
import time
from collections import defaultdict
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.builds import HERE
from benchmarks.machine import cpu_s, introduce, rss_mb
from benchmarks.options import parse, yes
from benchmarks.processes import Program

ATTACKER = Path(__file__).with_name("attacker.py")
DOORS = ("openpi", "gr00t", "lerobot")
KINDS = ("flood", "mute", "reconnect", "large", *DOORS)
RATE_HZ = 10.0
SETTLE_S = 5.0
LEAD_IN_S = 0.5  # of an attack, before the fleet is measured
MOST = 1.10  # x the p99 of the same attack on somebody else's server
# What an operator may grant at most to clients nobody vouches for.
QUOTAS = {"max_rate_hz_per_client": 100.0, "max_bytes_per_s_per_client": 20e6}
CONDITIONS = ("alone", "elsewhere", "attacked")
PICTURE = {"shape": [100_000], "dtype": "uint8", "batches": False}
ROW = "  {:10}{:8.0f}{:9.2f}{:9.2f}{:9.2f}{:9.2f}{:9.2f}{:9.2f}{:6.0f}{:8.0%}{:8.2f}{:11.2f}  {}"


class Rig:
    """A server with its fleet, another server, and one attacker at a time."""

    def __init__(self, limits: dict[str, float], robots: int, stack: ExitStack) -> None:
        models = {"policy": {}, "picture": PICTURE}
        doors = [{"kind": kind, "bind": "127.0.0.1:0", "model": "policy"} for kind in DOORS]
        config = {"limits": limits, "doors": doors}
        start = partial(HERE.server, stack, config=config, models=models)
        (self.server, about), (self.decoy, elsewhere) = start(), start()
        self.victims = {
            "attacked": _addresses(self.server, about["address"]),
            "elsewhere": _addresses(self.decoy, elsewhere["address"]),
        }
        self.crowd = HERE.crowd(about["address"], robots, stack)
        self.attackers = {
            kind: stack.enter_context(Program(sys.executable, ATTACKER, kind)) for kind in KINDS
        }
        for attacker in self.attackers.values():
            attacker.hear()

    def measure(self, kind: str, condition: str, seconds: float) -> dict[str, float]:
        """The fleet's figures under a condition, and what the server spent."""
        attacker, victim, per_s = self.attackers[kind], self.victims.get(condition), 0.0
        if victim:
            attacker.ask({"address": victim.get(kind, victim["socket"])})
            begun = time.monotonic()
            time.sleep(LEAD_IN_S)
        used = cpu_s(self.server.pid)
        found = self.crowd.ask({"seconds": seconds, "rate_hz": RATE_HZ})
        spent, trips = cpu_s(self.server.pid) - used, found["trips_ms"]
        if victim:
            per_s = attacker.ask({}) / (time.monotonic() - begun)
        self.settle()
        lost = found["lost"] + found["failed"]
        figures = {"p50": trips["p50"], "p99": trips["p99"], "lost": lost}
        return {**figures, "cpu": spent / seconds, "per_s": per_s}

    def settle(self) -> None:
        """What the attack left behind is over; RuntimeError if a server did not survive it."""
        for server in (self.server, self.decoy):
            end = time.monotonic() + SETTLE_S
            while (status := server.ask({})) and time.monotonic() < end:
                if not status["queued"] + status["in_flight"]:
                    break
                time.sleep(0.05)


def _addresses(server: Program, socket: str) -> dict[str, str]:
    """Where it is attacked: at its socket and at each door."""
    doors = server.ask({})["doors"]
    return {"socket": socket, **{each["kind"]: each["address"] for each in doors}}


def compare(rig: Rig, kinds: list[str], rounds: int, seconds: float) -> bool:
    """Print a line for each kind; whether none costs too much."""
    chance = random.Random(1)
    found: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for _ in range(rounds):
        for kind in kinds:
            for condition in chance.sample(CONDITIONS, len(CONDITIONS)):
                found[kind, condition].append(rig.measure(kind, condition, seconds))
    well = True
    for kind in kinds:
        # Of the rounds the lower quartile: what else the machine does only makes them slower.
        alone, elsewhere, attacked = (
            {
                name: float(np.quantile([each[name] for each in found[kind, condition]], 0.25))
                for name in ("p50", "p99", "cpu", "per_s")
            }
            for condition in CONDITIONS
        )
        trips = [each[name] for name in ("p50", "p99") for each in (alone, elsewhere, attacked)]
        lost = sum(each["lost"] for each in found[kind, "attacked"])
        ratios = [attacked["p99"] / each["p99"] for each in (alone, elsewhere)]
        good = ratios[1] <= MOST
        row = (kind, attacked["per_s"], *trips, lost, attacked["cpu"], *ratios, yes(good))
        print(ROW.format(*row), flush=True)
        well = well and good
    return well


def main(arguments: list[str]) -> int:
    """0 if nobody cost the others more than the bar."""
    options = parse(
        "isolation",
        __doc__,
        arguments,
        only=(list(KINDS), None, {"choices": KINDS}),
        rounds=7,
        seconds=(4.0, "of each measurement"),
        robots=50,
    )
    introduce(f"{options.robots} honest robots at {RATE_HZ:.0f} Hz beside one that is not")
    well = True
    for name, limits in (("default limits", {}), ("with quotas", QUOTAS)):
        print(f"{name}{'':{18 - len(name)}}{'ms':>5}{'p50':>24}{'p99':>27}{'':13}{'p99 to':>12}")
        heads = "".join(f"{each:>9}" for each in (*("alone", "elsewh.", "attack") * 2,))
        print(f"  attack       per s{heads}  lost  server   alone  elsewhere  within {MOST:g}")
        with ExitStack() as stack:
            rig = Rig(limits, options.robots, stack)
            well &= compare(rig, options.only, options.rounds, options.seconds)
            print(f"  server afterwards: {rss_mb(rig.server.pid):.0f} MB")
    return 0 if well else 1
