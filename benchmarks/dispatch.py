"""Models on Ray Serve: ours, the published release, Serve's own handles, and ours without Ray.

    python -m benchmarks dispatch [--quick] [--rounds N] [--seconds S] [--robots N ...]

Robots in closed loop against an identity model that returns float32 [50, 7] at once, on one and on
two replicas, with small observations and with different 720p images. All servers stand in front
of the same cluster; who is measured changes from one measurement to the next, and medians over
the rounds are reported, so that what else the machine does hits all alike. The published server
never sleeps: it is paused while others are measured.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from .machine import introduce
from .processes import ROOT, Program, published_python

RELEASE = "1.4.0-ray"
PEERS = ROOT / "benchmarks" / "peers"
SIZES = {"28 B": ((7,), "float32"), "720p": ((720, 1280, 3), "uint8")}
Figures = dict[str, float]  # per_s, p50_ms, p99_ms


@dataclass(frozen=True)
class Contestant:
    """Who is measured, and with which model."""

    name: str
    model: str


OURS = Contestant("ours, infer_batch", "batching")
OURS_SYNC = Contestant("ours, infer", "single")
PUBLISHED = Contestant("published, infer", "single")
PLAIN = Contestant("handle.remote each", "single")
LOCAL = Contestant("ours, local", "batching")
ALL = (OURS, OURS_SYNC, PUBLISHED, PLAIN, LOCAL)


class Arena:
    """One cluster and everything in front of it."""

    def __init__(self, stack: ExitStack) -> None:
        def started(*command: object, packages: Path | None = ROOT) -> Program:
            program = Program(*command, packages=packages, log=log)
            stack.callback(program.end)
            return program

        log = stack.enter_context(tempfile.TemporaryFile())
        published = published_python(RELEASE)
        self.host = Program(sys.executable, PEERS / "ray_host.py", log=log)
        stack.callback(self.host.finish)  # it stops its cluster
        ray = self.host.hear()
        self.host.ask(1)
        self.herd = started(sys.executable, PEERS / "herd.py")
        self.plain = started(sys.executable, PEERS / "ray_plain.py", ray)
        self.plain.hear()
        ours = started(sys.executable, PEERS / "ray_ours.py", ray)
        local = started(sys.executable, PEERS / "ray_ours.py")
        self.published = started(published, PEERS / "ray_published.py", ray, packages=None)
        self.addresses = {OURS: ours.hear(), LOCAL: local.hear(), PUBLISHED: self.published.hear()}
        self.addresses[OURS_SYNC] = self.addresses[OURS]
        self.published.pause()

    def measure(self, who: Contestant, robots: int, size: str, seconds: float) -> Figures:
        shape, dtype = SIZES[size]
        question = {
            "model": who.model,
            "robots": robots,
            "shape": shape,
            "dtype": dtype,
            "seconds": seconds,
            "warm_s": max(0.5, seconds / 4),
        }
        if who is PLAIN:
            return self.plain.ask(question)
        if who is PUBLISHED:
            self.published.resume()
        try:
            return self.herd.ask({**question, "address": self.addresses[who]})
        finally:
            if who is PUBLISHED:
                self.published.pause()


def verdicts(robots: int, size: str, found: dict[Contestant, Figures]) -> list[str]:
    """How ours stands against the bars of this case, in words."""
    published, said = found[PUBLISHED], []
    for who in (OURS, OURS_SYNC):
        mine, checks = found[who], []
        if robots == 8 and size == "28 B":
            checks += [
                ("at least 4x published's req/s", mine["per_s"] >= 4 * published["per_s"]),
                ("at most 1/3 of its p99", mine["p99_ms"] <= published["p99_ms"] / 3),
            ]
        elif robots == 8:
            checks.append(
                ("at least 2.5x published's req/s", mine["per_s"] >= 2.5 * published["per_s"])
            )
        elif robots == 1:
            checks.append(("p50 no slower", mine["p50_ms"] <= published["p50_ms"]))
        told = ", ".join(f"{text}: {'yes' if reached else 'NO'}" for text, reached in checks)
        if told:
            said.append(f"{who.name}: {told}")
    return said


def main(arguments: list[str]) -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(prog="dispatch", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a first impression: a minute or two")
    parser.add_argument("--rounds", type=int, help="default 3, quick 1")
    parser.add_argument("--seconds", type=float, help="of a measurement: default 3, quick 1")
    parser.add_argument("--robots", type=int, nargs="+", default=[1, 8, 32])
    options = parser.parse_args(arguments)
    if find_spec("ray") is None:
        print("dispatch: Ray is not installed here: make bench ARGS=dispatch", file=sys.stderr)
        return 2
    rounds = options.rounds or (1 if options.quick else 3)
    seconds = options.seconds or (1.0 if options.quick else 3.0)
    introduce(f"robots in closed loop, medians of {rounds} interleaved rounds of {seconds:g} s")
    print(f"{'replicas':>8}{'obs':>6}{'robots':>8}  {'':22}{'req/s':>8}{'p50 ms':>9}{'p99 ms':>9}")
    with ExitStack() as stack:
        arena = Arena(stack)
        for replicas in (1, 2):
            arena.host.ask(replicas)
            for size in SIZES:
                for robots in options.robots:
                    show(arena, replicas, size, robots, rounds, seconds)
    return 0


def show(arena: Arena, replicas: int, size: str, robots: int, rounds: int, seconds: float) -> None:
    """Measure and print one case."""
    every: dict[Contestant, list[Figures]] = {who: [] for who in ALL}
    for _ in range(rounds):
        for who in ALL:
            every[who].append(arena.measure(who, robots, size, seconds))
    found = {
        who: {key: statistics.median(each[key] for each in figures) for key in figures[0]}
        for who, figures in every.items()
    }
    for who, figures in found.items():
        head = f"{replicas:8}{size:>6}{robots:8}" if who is ALL[0] else " " * 22
        print(
            f"{head}  {who.name:22}{figures['per_s']:8.0f}{figures['p50_ms']:9.2f}"
            f"{figures['p99_ms']:9.2f}{figures['per_s'] / found[PUBLISHED]['per_s']:7.1f}x",
            flush=True,
        )
    if replicas == 1:
        for line in verdicts(robots, size, found):
            print(f"{'':24}{line}", flush=True)
