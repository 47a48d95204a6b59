"""Runs the fleet, samples the server, and judges what it saw."""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.builds import HERE
from benchmarks.machine import introduce
from benchmarks.processes import ROOT
from benchmarks.watching import Watchers

from .judging import WARM_SHARE, judge
from .plotting import plot
from .sampling import Sample, take

LOOKED_AT_EVERY_S = {"/metrics": 1.0, "/": 10.0, "/api/status": 10.0}
IMAGE = ROOT / "docs" / "images" / "soak.png"
EVERY_S = 10.0
RATE_HZ = 10.0


def soak(minutes: float, robots: int) -> list[Sample]:
    """What was measured every ten seconds; prints some of it."""
    samples: list[Sample] = []
    with ExitStack() as stack:
        config, models = {"http": {"bind": "127.0.0.1:0"}}, {"policy": {"fresh": True}}
        server, told = HERE.server(stack, config=config, models=models)
        crowd = HERE.crowd(told["address"], robots, stack)
        viewers = stack.enter_context(Watchers(told["page"], LOOKED_AT_EVERY_S))
        begun = time.monotonic()
        while time.monotonic() < begun + 60.0 * minutes:
            answers = crowd.ask({"seconds": EVERY_S, "rate_hz": RATE_HZ})
            viewers.check()
            samples.append(take(begun, server, answers, viewers.answers))
            if len(samples) % 6 == 1:
                print(samples[-1].told(), flush=True)
    return samples


def main(arguments: list[str]) -> int:
    """0 if nothing grew."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--robots", type=int, default=200)
    parser.add_argument("--image", type=Path, default=IMAGE)
    options = parser.parse_args(arguments)
    introduce(
        f"{options.robots} robots at {RATE_HZ:.0f} Hz for {options.minutes:g} min, page and"
        f" metrics open; the first {WARM_SHARE:.0%} are warm-up"
    )
    samples = soak(options.minutes, options.robots)
    verdicts = judge(samples)
    for verdict in verdicts:
        print(verdict.told())
    plot(samples, verdicts, options.image)
    print(f"plotted to {options.image}")
    return 0 if all(verdict.good for verdict in verdicts) else 1
