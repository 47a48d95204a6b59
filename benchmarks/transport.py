"""Round trip and throughput: a bare ZeroMQ echo, the published release, and ours.

    python -m benchmarks transport [--quick] [--rounds N] [--case NAME] [--shared]
                                   [--against REVISION]

Identity model, answers float32 [50, 7]. Every server and every client is a process of its own,
all clients are measured by the same code (peers/measuring.py), rounds are interleaved and medians
reported, so that what else the machine does hits all alike. Requests go on for as long as it takes
to get up to speed. Servers that are not measured at the moment are paused: the published one never
sleeps.

Every server has one core and every client another, as a robot and its server do. With `--shared`
the kernel chooses: then round trips of the same programs differ by a third from one connection to
the next, by which core each of their threads happens to stay on.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import psutil

from .builds import HERE, Build
from .comparison import Cases, Figures, add_against, compare, interleave, medians
from .machine import introduce
from .processes import ROOT, Program, published_python

RELEASE = "1.4.0"
PEERS = ROOT / "benchmarks" / "peers"
UNITS = {"p50_us": "p50 us", "p99_us": "p99 us", "per_s": "requests/s"}


@dataclass(frozen=True)
class Case:
    """What is sent, how often in a round, and how it must compare."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    trips: int
    requests: int
    p50_at_most: float  # x the published release's
    rate_at_least: float

    def question(self, address: str, share: float) -> dict[str, object]:
        """What a client is asked to measure (peers/measuring.py); share: of the full counts."""
        return {
            "address": address,
            "shape": self.shape,
            "dtype": self.dtype,
            "trips": max(20, int(self.trips * share)),
            "requests": max(40, int(self.requests * share)),
        }


CASES = (
    Case("state, 28 B", (7,), "float32", 500, 4000, 0.85, 1.5),
    Case("60 kB", (60_000,), "uint8", 300, 3000, 0.80, 1.6),
    Case("224x224x3", (224, 224, 3), "uint8", 300, 1500, 0.65, 1.8),
    Case("1280x720x3", (720, 1280, 3), "uint8", 100, 300, 0.25, 2.8),
)
LARGE, LARGE_P50_AT_MOST = "1280x720x3", 1.5  # x the echo's


def put_apart(server: Program, client: Program) -> None:
    """A core for each, where there are two, and for all of its threads."""
    for program, core in zip((server, client), sorted(os.sched_getaffinity(0))):
        for thread in psutil.Process(program.pid).threads():
            os.sched_setaffinity(thread.id, {core})


class Pair:
    """A server that is here already, and its client; it runs only while it is measured."""

    def __init__(self, server: Program, address: str, client: Program) -> None:
        self.server, self.address, self.client = server, address, client
        server.pause()

    def measure(self, case: Case, share: float) -> Figures:
        """p50_us, p99_us and per_s."""
        self.server.resume()
        try:
            found: Figures = self.client.ask(case.question(self.address, share))
            return found
        finally:
            self.server.pause()


def our_pair(build: Build, apart: bool, stack: ExitStack, keys: str = "") -> Pair:
    """Of a build; with the keys of a folder, where there is one."""
    server, about = build.server(stack, config={"security": {"keys": keys}})
    client = build.program("peers/ours.py", "client", *filter(None, [keys]), stack=stack)
    if apart:
        put_apart(server, client)
    return Pair(server, about["address"], client)


def other_pair(name: str, python: str, apart: bool, stack: ExitStack) -> Pair:
    """The echo's or the published release's."""
    packages = ROOT if name == "echo" else None
    programs = []
    for part in ("server", "client"):
        programs.append(Program(python, PEERS / f"{name}.py", part, packages=packages))
        stack.callback(programs[-1].end)
    if apart:
        put_apart(*programs)
    return Pair(programs[0], programs[0].hear(), programs[1])


def measure(cases: list[Case], rounds: int, share: float, apart: bool) -> None:
    """Print the rows of each case."""
    with ExitStack() as stack:
        pairs = {
            "echo": other_pair("echo", sys.executable, apart, stack),
            "published": other_pair("published", published_python(RELEASE), apart, stack),
            "ours": our_pair(HERE, apart, stack),
        }
        for case in cases:
            measures = {name: partial(pair.measure, case, share) for name, pair in pairs.items()}
            found = interleave(measures, rounds)
            show(case, {name: medians(each) for name, each in found.items()})


def named(pair: Pair, case: Case, share: float) -> Figures:
    """What a pair measures, under names with a unit."""
    return {UNITS[name]: value for name, value in pair.measure(case, share).items()}


def cases_of(
    cases: list[Case], share: float, apart: bool, build: Build, stack: ExitStack
) -> Cases:
    """What `--against` measures of a build."""
    pair = our_pair(build, apart, stack)
    return {case.name: partial(named, pair, case, share) for case in cases}


def show(case: Case, medians: dict[str, Figures]) -> None:
    """The rows of one case; the last one says whether ours is where it must be."""
    echo, published = medians["echo"], medians["published"]
    for name, figures in medians.items():
        row = f"{case.name if name == 'echo' else '':12}{name:>10}"
        row += f"{figures['p50_us']:9.0f}{figures['p99_us']:9.0f}{figures['per_s']:9.0f}"
        row += f"{figures['p50_us'] / echo['p50_us']:9.2f}x"
        row += f"{figures['per_s'] / echo['per_s']:7.2f}x"
        row += f"{figures['p50_us'] / published['p50_us']:10.2f}x"
        row += f"{figures['per_s'] / published['per_s']:7.2f}x"
        print(row, flush=True)
    print(f"{'':22}{verdict(case, medians)}", flush=True)


def verdict(case: Case, medians: dict[str, Figures]) -> str:
    """How ours stands against the bar, in words."""
    ours, published = medians["ours"], medians["published"]
    checks = [
        (
            f"p50 at most {case.p50_at_most}x published",
            ours["p50_us"] <= case.p50_at_most * published["p50_us"],
        ),
        (
            f"requests/s at least {case.rate_at_least}x",
            ours["per_s"] >= case.rate_at_least * published["per_s"],
        ),
    ]
    if case.name == LARGE:
        reached = ours["p50_us"] <= LARGE_P50_AT_MOST * medians["echo"]["p50_us"]
        checks.append((f"p50 at most {LARGE_P50_AT_MOST}x echo", reached))
    return ", ".join(f"{text}: {'yes' if reached else 'NO'}" for text, reached in checks)


def main(arguments: list[str]) -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(prog="transport", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a first impression, in seconds")
    parser.add_argument("--rounds", type=int, help="default 21, quick 3")
    parser.add_argument("--case", action="append", help="only cases whose name begins so")
    parser.add_argument("--shared", action="store_true", help="both ends may use all cores")
    add_against(parser)
    options = parser.parse_args(arguments)
    rounds = options.rounds or (3 if options.quick else 21)
    wanted = tuple(options.case or [""])
    cases = [case for case in CASES if case.name.startswith(wanted)]
    introduce(f"round trip and pipelined requests, medians of {rounds} interleaved rounds")
    share, apart = 0.2 if options.quick else 1.0, not options.shared
    if options.against:
        return compare(options.against, partial(cases_of, cases, share, apart), rounds)
    print(f"{'':22}{'':27}{'to the echo':>18}{'to published':>19}")
    heads = ("p50 us", "p99 us", "req/s", "p50", "req/s", "p50", "req/s")
    widths = (9, 9, 9, 10, 8, 11, 8)
    print(" " * 22 + "".join(f"{head:>{width}}" for head, width in zip(heads, widths)))
    measure(cases, rounds, share, apart)
    return 0
