"""Interleaves an honest fleet with those who misbehave, and compares."""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.builds import HERE
from benchmarks.machine import cpu_s, introduce, rss_mb
from benchmarks.processes import Program

ATTACKER = Path(__file__).with_name("attacker.py")
KINDS = ("flood", "mute", "reconnect", "large")
RATE_HZ = 10.0
SETTLE_S = 5.0
LEAD_IN_S = 0.5  # of an attack, before the fleet is measured
MOST = 1.10  # x the p99 of the same attack on somebody else's server
# What an operator may grant at most to clients nobody vouches for.
QUOTAS = {"max_rate_hz_per_client": 100.0, "max_bytes_per_s_per_client": 20e6}
CONDITIONS = ("alone", "elsewhere", "attacked")


class Rig:
    """A server with its fleet, another server, and one attacker at a time."""

    def __init__(self, limits: dict[str, float], robots: int, stack: ExitStack) -> None:
        models = {
            "policy": {},
            "picture": {"shape": [100_000], "dtype": "uint8", "batches": False},
        }
        start = partial(HERE.server, stack, config={"limits": limits}, models=models)
        (self.server, about), (self.decoy, elsewhere) = start(), start()
        self.address, self.decoy_address = about["address"], elsewhere["address"]
        self.crowd = HERE.crowd(self.address, robots, stack)
        self.attackers = {}
        for kind in KINDS:
            self.attackers[kind] = attacker = Program(sys.executable, ATTACKER, kind)
            stack.callback(attacker.end)
            attacker.hear()

    def measure(self, kind: str, condition: str, seconds: float) -> dict[str, float]:
        """The fleet's figures under a condition, and what the server spent."""
        attacker = self.attackers[kind]
        if condition != "alone":
            victim = self.address if condition == "attacked" else self.decoy_address
            attacker.ask({"address": victim})
            begun = time.monotonic()
            time.sleep(LEAD_IN_S)
        used = cpu_s(self.server.pid)
        found = self.crowd.ask({"seconds": seconds, "rate_hz": RATE_HZ})
        spent = cpu_s(self.server.pid) - used
        per_s = 0.0
        if condition != "alone":
            per_s = attacker.ask({}) / (time.monotonic() - begun)
        self.settle()
        return {
            "p50": found["trips_ms"]["p50"],
            "p99": found["trips_ms"]["p99"],
            "lost": found["lost"] + found["failed"],
            "cpu": spent / seconds,
            "per_s": per_s,
        }

    def settle(self) -> None:
        """What the attack left behind is over; RuntimeError if a server did not survive it."""
        for server in (self.server, self.decoy):
            end = time.monotonic() + SETTLE_S
            while (status := server.ask({})) and time.monotonic() < end:
                if not status["queued"] + status["in_flight"]:
                    break
                time.sleep(0.05)


def compare(rig: Rig, kinds: list[str], rounds: int, seconds: float) -> list[str]:
    """Print a line for each kind; those that cost too much."""
    chance = random.Random(1)
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for _ in range(rounds):
        for kind in kinds:
            for condition in chance.sample(CONDITIONS, len(CONDITIONS)):
                figures = rig.measure(kind, condition, seconds)
                found.setdefault((kind, condition), []).append(figures)
    missed = []
    for kind in kinds:

        def calm(condition: str, name: str, kind: str = kind) -> float:
            return quartile([each[name] for each in found[kind, condition]])

        def ratio(to: str) -> float:
            return calm("attacked", "p99") / calm(to, "p99")

        row = f"  {kind:10}{calm('attacked', 'per_s'):8.0f}"
        for name in ("p50", "p99"):
            row += "".join(f"{calm(condition, name):9.2f}" for condition in CONDITIONS)
        lost = sum(each["lost"] for each in found[kind, "attacked"])
        row += f"{lost:6.0f}{calm('attacked', 'cpu'):8.0%}"
        good = ratio("elsewhere") <= MOST
        row += f"{ratio('alone'):8.2f}{ratio('elsewhere'):11.2f}  {'yes' if good else 'NO'}"
        print(row, flush=True)
        if not good:
            missed.append(kind)
    return missed


def quartile(values: list[float]) -> float:
    """Of the rounds the lower quartile: what else the machine does only ever makes them slower."""
    return statistics.quantiles(values, n=4, method="inclusive")[0] if values[1:] else values[0]


def main(arguments: list[str]) -> int:
    """0 if nobody cost the others more than the bar."""
    parser = argparse.ArgumentParser(prog="isolation", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--robots", type=int, default=50)
    options = parser.parse_args(arguments)
    introduce(f"{options.robots} honest robots at {RATE_HZ:.0f} Hz beside one that is not")
    missed = []
    for name, limits in (("default limits", {}), ("with quotas", QUOTAS)):
        print(f"{name}{'':{18 - len(name)}}{'ms':>5}{'p50':>24}{'p99':>27}{'':13}{'p99 to':>12}")
        heads = "".join(f"{each:>9}" for each in (*("alone", "elsewh.", "attack") * 2,))
        print(f"  attack       per s{heads}  lost  server   alone  elsewhere  within {MOST:g}")
        with ExitStack() as stack:
            rig = Rig(limits, options.robots, stack)
            missed += compare(rig, options.only, options.rounds, options.seconds)
            print(f"  server afterwards: {rss_mb(rig.server.pid):.0f} MB")
    return 1 if missed else 0
