"""Models on Ray Serve: ours, the published release, Serve's own handles, and ours without Ray.

    python -m benchmarks dispatch [--quick] [--rounds N] [--seconds S] [--robots N ...]
                                  [--against REVISION]

Robots in closed loop against an identity model that returns float32 [50, 7] at once, on one and on
two replicas, with small observations and with different 720p images. All servers stand in front
of the same cluster; who is measured changes from one measurement to the next, and medians over
the rounds are reported, so that what else the machine does hits all alike. The published server
never sleeps: it is paused while others are measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

from .builds import HERE, Build
from .comparison import Cases, Figures, add_against, compare, interleave, medians
from .machine import introduce
from .processes import ROOT, Program, published_python

RELEASE = "1.4.0-ray"
PEERS = ROOT / "benchmarks" / "peers"
SIZES = {"28 B": ((7,), "float32"), "720p": ((720, 1280, 3), "uint8")}
UNITS = {"per_s": "requests/s", "p50_ms": "p50 ms", "p99_ms": "p99 ms"}


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
    """One cluster, and those who ask it or a server in front of it."""

    def __init__(self, stack: ExitStack) -> None:
        self.log = stack.enter_context(tempfile.TemporaryFile())
        self.host = Program(sys.executable, PEERS / "ray_host.py", log=self.log)
        stack.callback(self.host.finish)  # it stops its cluster
        self.ray = self.host.hear()
        self.host.ask(1)
        self.herd = HERE.program("peers/herd.py", stack=stack)

    def servers(self, build: Build, stack: ExitStack) -> dict[Contestant, str]:
        """Addresses of a build's servers: in front of the cluster, and without Ray."""
        models = {"single": {"batches": False}, "batching": {}}
        _, ours = build.server(stack, self.log, models=models, ray=self.ray)
        _, local = build.server(stack, self.log, models=models)
        return {OURS: ours["address"], OURS_SYNC: ours["address"], LOCAL: local["address"]}

    def measure(
        self, address: str, who: Contestant, robots: int, size: str, seconds: float
    ) -> Figures:
        """per_s, p50_ms and p99_ms of robots on a server."""
        found: Figures = self.herd.ask(
            {**question(who, robots, size, seconds), "address": address}
        )
        return found


def question(who: Contestant, robots: int, size: str, seconds: float) -> dict[str, object]:
    """What the robots, or those who ask without a server, are told to do."""
    shape, dtype = SIZES[size]
    return {
        "model": who.model,
        "robots": robots,
        "shape": shape,
        "dtype": dtype,
        "seconds": seconds,
        "warm_s": max(0.5, seconds / 4),
    }


class Rivals:
    """The published server, which is paused while others are measured, and Serve's handles."""

    def __init__(self, arena: Arena, stack: ExitStack) -> None:
        self.arena = arena
        self.plain = HERE.program("peers/ray_plain.py", arena.ray, stack=stack)
        self.plain.hear()
        command = (published_python(RELEASE), PEERS / "published.py", "server", arena.ray)
        self.published = Program(*command, packages=None, log=arena.log)
        stack.callback(self.published.end)
        self.address = self.published.hear()
        self.published.pause()

    def measure_plain(self, robots: int, size: str, seconds: float) -> Figures:
        found: Figures = self.plain.ask(question(PLAIN, robots, size, seconds))
        return found

    def measure_published(self, robots: int, size: str, seconds: float) -> Figures:
        self.published.resume()
        try:
            return self.arena.measure(self.address, PUBLISHED, robots, size, seconds)
        finally:
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
    add_against(parser)
    options = parser.parse_args(arguments)
    if find_spec("ray") is None:
        print("dispatch: Ray is not installed here: make bench ARGS=dispatch", file=sys.stderr)
        return 2
    rounds = options.rounds or (1 if options.quick else 3)
    seconds = options.seconds or (1.0 if options.quick else 3.0)
    introduce(f"robots in closed loop, medians of {rounds} interleaved rounds of {seconds:g} s")
    with ExitStack() as stack:
        arena = Arena(stack)
        if options.against:
            cases = partial(cases_of, arena, options.robots, seconds)
            return compare(options.against, cases, rounds)
        heads = f"{'req/s':>8}{'p50 ms':>9}{'p99 ms':>9}"
        print(f"{'replicas':>8}{'obs':>6}{'robots':>8}  {'':22}{heads}")
        servers, rivals = arena.servers(HERE, stack), Rivals(arena, stack)
        for replicas in (1, 2):
            arena.host.ask(replicas)
            for size in SIZES:
                for robots in options.robots:
                    case = (robots, size, seconds)
                    measures = {
                        who: partial(arena.measure, servers[who], who, *case)
                        for who in (OURS, OURS_SYNC, LOCAL)
                    }
                    measures[PUBLISHED] = partial(rivals.measure_published, *case)
                    measures[PLAIN] = partial(rivals.measure_plain, *case)
                    found = interleave({who: measures[who] for who in ALL}, rounds)
                    middles = {who: medians(each) for who, each in found.items()}
                    show(replicas, size, robots, middles)
    return 0


def cases_of(
    arena: Arena, fleets: list[int], seconds: float, build: Build, stack: ExitStack
) -> Cases:
    """What `--against` measures of a build, on one replica."""
    servers = arena.servers(build, stack)

    def measure(who: Contestant, robots: int, size: str) -> Figures:
        found = arena.measure(servers[who], who, robots, size, seconds)
        return {UNITS[name]: found[name] for name in UNITS}

    return {
        f"{who.name}, {robots} x {size}": partial(measure, who, robots, size)
        for who in servers
        for size in SIZES
        for robots in fleets
    }


def show(replicas: int, size: str, robots: int, found: dict[Contestant, Figures]) -> None:
    """Print one case."""
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
