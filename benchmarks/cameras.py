"""Eight robots with two JPEG cameras each: what decoding their images costs the fleet.

    python -m benchmarks cameras [--rounds N] [--seconds S] [--where threads ray] [--lanes 1 2]
                                 [--sizes none 640x480 1280x720] [--against REVISION]

Robots in closed loop, a model that takes 40 + 4b ms for b observations, asleep as while a GPU is
at work; robots, server and the model's lanes share one process (peers/cameras.py). `not the model`
is the share of the time a lane is taken in which the model does not run. With `--against`, an
older build stands beside this one: both are measured in every round, one at a time, so that what
else the machine does hits all alike.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from contextlib import ExitStack
from functools import partial

from .builds import HERE, Build, Figures, NoRevision, build_of
from .comparison import interleave, medians
from .machine import introduce
from .options import AGAINST, parse, verdicts
from .processes import Program

NONE = "none"
FIGURES = ("obs/s", "p50 ms", "p95 ms", "not the model %", "peak MB", "batch")
OF_NONE = 0.9  # of the observations a second without images, at 640x480
FASTER = {"640x480": 1.6, "1280x720": 2.5}  # x the older build
BESIDE_MODEL, MEMORY = 5.0, 1.3  # % of a lane's time; x the older build's peak


def main(arguments: list[str]) -> int:
    """Print a table for each place and number of lanes."""
    options = parse(
        "cameras",
        __doc__,
        arguments,
        rounds=(int, "default 3", {"default": 3}),
        seconds=(4.0, "of a measurement"),
        warm_s=(1.0, "before a measurement"),
        where=(["threads"], "threads, ray"),
        lanes=([1], "calls the model works on at once"),
        sizes=([NONE, *FASTER], "of the images"),
        against=AGAINST,
    )
    builds = {"this": HERE}
    try:
        if options.against:
            builds["older"] = build_of(options.against)
    except NoRevision as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    introduce(f"eight robots, two JPEG cameras each, medians of {options.rounds} rounds")
    for where in options.where:
        for lanes in options.lanes:
            with ExitStack() as stack:
                log = stack.enter_context(tempfile.TemporaryFile())
                programs = {
                    name: started(build, where, lanes, stack, log)
                    for name, build in builds.items()
                }
                measures = {
                    (size, name): partial(measured, program, size, options)
                    for size in options.sizes
                    for name, program in programs.items()
                }
                show(
                    f"{where}, {lanes} lane{'s'[: lanes > 1]}",
                    interleave(measures, options.rounds),
                )
    return 0


def started(build: Build, where: str, lanes: int, stack: ExitStack, log: object) -> Program:
    """A build's program, once its model is there; it is paused while others are measured."""
    question = {"ray": where == "ray", "lanes": lanes}
    program = build.program("peers/cameras.py", question, stack=stack, log=log)
    program.hear()
    return program


def measured(program: Program, size: str, options: object) -> Figures:
    """One measurement."""
    asked = "" if size == NONE else size
    found: Figures = program.ask([asked, options.warm_s, options.seconds])
    return found


def show(case: str, rounds: dict[tuple[str, str], list[Figures]]) -> None:
    """The rows of one case, and whether the bars are reached."""
    print(f"{case:26}" + "".join(f"{name:>17}" for name in FIGURES))
    for (size, name), each in rounds.items():
        found = medians(each)
        row = "".join(f"{found[figure]:17.1f}" for figure in FIGURES)
        print(f"  {size:12}{name:12}{row}", flush=True)
    for size, bar in FASTER.items():
        if (size, "this") in rounds:
            print(f"  {size}: {verdicts(checks(size, bar, rounds))}", flush=True)


def checks(size: str, bar: float, rounds: dict[tuple[str, str], list[Figures]]) -> dict[str, bool]:
    """The bars of a size of images, with what was found; ratios are medians over the rounds."""

    def ratio(figure: str, one: tuple[str, str], other: tuple[str, str]) -> float:
        pairs = zip(rounds[one], rounds[other])
        return statistics.median(a[figure] / b[figure] for a, b in pairs)

    new, old, bare = (size, "this"), (size, "older"), (NONE, "this")
    beside = medians(rounds[new])["not the model %"]
    found = {f"{beside:.1f} % of at most {BESIDE_MODEL:g} % not the model": beside <= BESIDE_MODEL}
    if bare in rounds and size == "640x480":
        of_none = ratio("obs/s", new, bare)
        found[f"{of_none:.2f}x of no images, at least {OF_NONE}x"] = of_none >= OF_NONE
    if old in rounds:
        faster, sooner = ratio("obs/s", new, old), ratio("p95 ms", old, new)
        memory = ratio("peak MB", new, old)
        found[f"{faster:.2f}x the older obs/s, at least {bar}x"] = faster >= bar
        found[f"p95 {sooner:.2f}x sooner, at least {bar}x"] = sooner >= bar
        found[f"{memory:.2f}x its peak memory, at most {MEMORY}x"] = memory <= MEMORY
    return found
