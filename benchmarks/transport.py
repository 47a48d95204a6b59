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

import os
import sys
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

import psutil

from .builds import HERE, Build
from .comparison import Cases, Figures, compare, middles
from .machine import introduce
from .options import AGAINST, parse, verdicts
from .processes import PEERS, ROOT, Program, published_python

RELEASE = "1.4.0"
P50, RATE = "p50 us", "requests/s"  # of what a client measures (peers/measuring.py)
ROW = "{:12}{:>10}{:9.0f}{:9.0f}{:9.0f}{:9.2f}x{:7.2f}x{:10.2f}x{:7.2f}x"
HEAD = f"""{"":22}{"":27}{"to the echo":>18}{"to published":>19}
{"":22}{"p50 us":>9}{"p99 us":>9}{"req/s":>9}{"p50":>10}{"req/s":>8}{"p50":>11}{"req/s":>8}"""


class Case(NamedTuple):
    """What is sent, how often in a round, and how it must compare."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    trips: int
    requests: int
    p50_at_most: float  # x the published release's
    rate_at_least: float


CASES = (
    Case("state, 28 B", (7,), "float32", 500, 4000, 0.85, 1.5),
    Case("60 kB", (60_000,), "uint8", 300, 3000, 0.80, 1.6),
    Case("224x224x3", (224, 224, 3), "uint8", 300, 1500, 0.65, 1.8),
    Case("1280x720x3", (720, 1280, 3), "uint8", 100, 300, 0.25, 2.8),
)
LARGE, LARGE_P50_AT_MOST = "1280x720x3", 1.5  # x the echo's


class Pair:
    """A server that is here already, and its client; it runs only while it is measured.

    apart: a core for each, where there are two, and for all of its threads.
    """

    def __init__(self, server: Program, address: str, client: Program, apart: bool = True) -> None:
        self.server, self.address, self.client = server, address, client
        for program, core in zip((server, client), sorted(os.sched_getaffinity(0)) * apart):
            for thread in psutil.Process(program.pid).threads():
                os.sched_setaffinity(thread.id, {core})
        server.pause()

    def measure(self, case: Case, share: float) -> Figures:
        """Of a share of the full counts: p50 and p99 of round trips, and requests per second."""
        self.server.resume()
        try:
            found: Figures = self.client.ask(
                {
                    "address": self.address,
                    "shape": case.shape,
                    "dtype": case.dtype,
                    "trips": max(20, int(case.trips * share)),
                    "requests": max(40, int(case.requests * share)),
                }
            )
            return found
        finally:
            self.server.pause()


def our_pair(build: Build, apart: bool, stack: ExitStack, keys: str = "") -> Pair:
    """Of a build; with the keys of a folder, where there is one."""
    server, about = build.server(stack, config={"security": {"keys": keys}})
    client = build.program("peers/ours.py", "client", *filter(None, [keys]), stack=stack)
    return Pair(server, about["address"], client, apart)


def other_pair(name: str, python: str, apart: bool, stack: ExitStack) -> Pair:
    """The echo's or the published release's."""
    packages = ROOT if name == "echo" else None
    server, client = (
        stack.enter_context(Program(python, PEERS / f"{name}.py", part, packages=packages))
        for part in ("server", "client")
    )
    return Pair(server, server.hear(), client, apart)


def measured(pairs: dict[str, Pair], case: Case, options: Any) -> dict[str, Figures]:
    """The medians of each pair."""
    measures = {who: partial(each.measure, case, options.share) for who, each in pairs.items()}
    return middles(measures, options.rounds)


def cases_of(options: Any, build: Build, stack: ExitStack) -> Cases:
    """What `--against` measures of a build."""
    pair = our_pair(build, not options.shared, stack)
    return {case.name: partial(pair.measure, case, options.share) for case in options.cases}


def show(case: Case, found: dict[str, Figures]) -> None:
    """The rows of one case; the last one says whether ours is where it must be."""
    echo, published, ours = (found[name] for name in ("echo", "published", "ours"))
    for name, mine in found.items():
        ratios = [mine[each] / other[each] for other in (echo, published) for each in (P50, RATE)]
        head = case.name if name == "echo" else ""
        print(ROW.format(head, name, *mine.values(), *ratios), flush=True)
    checks = {
        f"p50 at most {case.p50_at_most}x published": ours[P50]
        <= case.p50_at_most * published[P50],
        f"requests/s at least {case.rate_at_least}x": ours[RATE]
        >= case.rate_at_least * published[RATE],
    }
    if case.name == LARGE:
        within = ours[P50] <= LARGE_P50_AT_MOST * echo[P50]
        checks[f"p50 at most {LARGE_P50_AT_MOST}x echo"] = within
    print(f"{'':22}{verdicts(checks)}", flush=True)


def chosen(name: str, about: str | None, arguments: list[str], **more: Any) -> Any:
    """The options of a measurement of pairs, and what follows from them."""
    options = parse(
        name,
        about,
        arguments,
        quick=(False, "a first impression, in seconds"),
        rounds=(int, "default 21, quick 3"),
        case=(str, "only cases whose name begins so", {"action": "append"}),
        against=AGAINST,
        **more,
    )
    options.rounds = options.rounds or (3 if options.quick else 21)
    options.share = 0.2 if options.quick else 1.0
    wanted = tuple(options.case or [""])
    options.cases = [case for case in CASES if case.name.startswith(wanted)]
    introduce(f"round trip and pipelined requests, medians of {options.rounds} interleaved rounds")
    return options


def main(arguments: list[str]) -> int:
    """Print one table."""
    shared = (False, "both ends may use all cores")
    options = chosen("transport", __doc__, arguments, shared=shared)
    if options.against:
        return compare(options.against, partial(cases_of, options), options.rounds)
    print(HEAD)
    with ExitStack() as stack:
        pairs = {
            "echo": other_pair("echo", sys.executable, not options.shared, stack),
            "published": other_pair(
                "published", published_python(RELEASE), not options.shared, stack
            ),
            "ours": our_pair(HERE, not options.shared, stack),
        }
        for case in options.cases:
            show(case, measured(pairs, case, options))
    return 0
