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

import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from typing import Any

from .builds import HERE, Build, Cases, Figures
from .comparison import compare, middles
from .machine import introduce
from .options import AGAINST, parse, verdicts
from .processes import PEERS, Program, published_python

RELEASE = "1.4.0-ray"
SIZES = {"28 B": ((7,), "float32"), "720p": ((720, 1280, 3), "uint8")}
RATE, P50, P99 = "requests/s", "p50 ms", "p99 ms"  # as robots tell them (peers/measuring.py)
MODELS = {"single": {"batches": False}, "batching": {}}
OURS, OURS_SYNC, PUBLISHED = "ours, infer_batch", "ours, infer", "published, infer"
PLAIN, LOCAL = "handle.remote each", "ours, local"
MODEL_OF = {OURS: "batching", LOCAL: "batching"}  # the others ask `single`


class Arena:
    """One cluster, and those who ask it or a server in front of it."""

    def __init__(self, stack: ExitStack) -> None:
        self.log = stack.enter_context(tempfile.TemporaryFile())
        self.host = Program(sys.executable, PEERS / "ray_host.py", log=self.log)
        stack.callback(self.host.finish)  # it stops its cluster
        self.ray = self.host.hear()
        self.host.ask(1)
        self.herd = HERE.program("peers/herd.py", stack=stack)

    def servers(self, build: Build, stack: ExitStack) -> dict[str, str]:
        """Addresses of a build's servers: in front of the cluster, and without Ray."""
        _, ours = build.server(stack, self.log, models=MODELS, ray=self.ray)
        _, local = build.server(stack, self.log, models=MODELS)
        return {OURS: ours["address"], OURS_SYNC: ours["address"], LOCAL: local["address"]}

    def rivals(self, stack: ExitStack) -> None:
        """Have Serve's handles and the published server there, too."""
        self.plain = HERE.program("peers/ray_plain.py", self.ray, stack=stack)
        self.plain.hear()
        command = (published_python(RELEASE), PEERS / "published.py", "server", self.ray)
        self.published = Program(*command, packages=None, log=self.log)
        stack.enter_context(self.published)
        self.published_at = self.published.hear()
        self.published.pause()

    def measure(self, who: str, address: str, robots: int, size: str, seconds: float) -> Figures:
        """Of robots that ask a server, or Serve's handles."""
        shape, dtype = SIZES[size]
        question = {"model": MODEL_OF.get(who, "single"), "robots": robots, "shape": shape}
        question |= {"dtype": dtype, "seconds": seconds, "warm_s": max(0.5, seconds / 4)}
        asking = self.plain if who == PLAIN else self.herd
        found: Figures = asking.ask({**question, "address": address})
        return found

    def measure_published(self, *case: Any) -> Figures:
        """The same of the published server, which runs only meanwhile."""
        self.published.resume()
        try:
            return self.measure(PUBLISHED, self.published_at, *case)
        finally:
            self.published.pause()


def checks(robots: int, size: str, mine: Figures, published: Figures) -> dict[str, bool]:
    """Whether ours reaches the bars of this case."""
    if robots == 1:
        return {"p50 no slower": mine[P50] <= published[P50]}
    if robots != 8:
        return {}
    if size != "28 B":
        return {"at least 2.5x published's req/s": mine[RATE] >= 2.5 * published[RATE]}
    return {
        "at least 4x published's req/s": mine[RATE] >= 4 * published[RATE],
        "at most 1/3 of its p99": mine[P99] <= published[P99] / 3,
    }


def show(replicas: int, size: str, robots: int, found: dict[str, Figures]) -> None:
    """Print one case."""
    published = found[PUBLISHED]
    for who, mine in found.items():
        head = f"{replicas:8}{size:>6}{robots:8}" if who == OURS else ""
        row = f"{head:22}  {who:22}{mine[RATE]:8.0f}{mine[P50]:9.2f}{mine[P99]:9.2f}"
        print(f"{row}{mine[RATE] / published[RATE]:7.1f}x", flush=True)
    for who in (OURS, OURS_SYNC) if replicas == 1 else ():
        if told := verdicts(checks(robots, size, found[who], published)):
            print(f"{'':24}{who}: {told}", flush=True)


def cases_of(arena: Arena, options: Any, build: Build, stack: ExitStack) -> Cases:
    """What `--against` measures of a build, on one replica."""
    return {
        f"{who}, {robots} x {size}": partial(
            arena.measure, who, address, robots, size, options.seconds
        )
        for who, address in arena.servers(build, stack).items()
        for size in SIZES
        for robots in options.robots
    }


def main(arguments: list[str]) -> int:
    """Print one table."""
    options = parse(
        "dispatch",
        __doc__,
        arguments,
        quick=(False, "a first impression: a minute or two"),
        rounds=(int, "default 3, quick 1"),
        seconds=(float, "of a measurement: default 3, quick 1"),
        robots=[1, 8, 32],
        against=AGAINST,
    )
    if find_spec("ray") is None:
        print("dispatch: Ray is not installed here: make bench ARGS=dispatch", file=sys.stderr)
        return 2
    rounds = options.rounds or (1 if options.quick else 3)
    seconds = options.seconds = options.seconds or (1.0 if options.quick else 3.0)
    introduce(f"robots in closed loop, medians of {rounds} interleaved rounds of {seconds:g} s")
    with ExitStack() as stack:
        arena = Arena(stack)
        if options.against:
            return compare(options.against, partial(cases_of, arena, options), rounds)
        heads = f"{'req/s':>8}{'p50 ms':>9}{'p99 ms':>9}"
        print(f"{'replicas':>8}{'obs':>6}{'robots':>8}  {'':22}{heads}")
        at = arena.servers(HERE, stack)
        arena.rivals(stack)
        for replicas in (1, 2):
            arena.host.ask(replicas)
            for size in SIZES:
                for robots in options.robots:
                    case = (robots, size, seconds)
                    measures = {
                        OURS: partial(arena.measure, OURS, at[OURS], *case),
                        OURS_SYNC: partial(arena.measure, OURS_SYNC, at[OURS_SYNC], *case),
                        PUBLISHED: partial(arena.measure_published, *case),
                        PLAIN: partial(arena.measure, PLAIN, "", *case),
                        LOCAL: partial(arena.measure, LOCAL, at[LOCAL], *case),
                    }
                    show(replicas, size, robots, middles(measures, rounds))
    return 0
