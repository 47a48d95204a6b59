"""Every decision of a run in a file, a line each, and whether a run makes the same ones again.

The first line says which run it is. Each other line is a decision: when, the robots of the batch
in the order in which they are served (none: the model waits although it is free), and why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from inferential_core.simulation.robots import Observation

from .campaign import Run, play


def write(run: Run, path: Path) -> int:
    """Play a run and write its decisions; how many there are.

    SystemExit says why the file cannot be written.
    """
    try:
        with path.open("w") as file:
            decisions = list(_decisions(run))
            file.write("\n".join([json.dumps(run._asdict()), *decisions]) + "\n")
    except OSError as error:
        raise SystemExit(f"--trace: {path} cannot be written: {error.strerror}") from None
    return len(decisions)


def replay(path: Path) -> str:
    """Play the run of a file again; what it did otherwise than then, empty if nothing.

    SystemExit says why a file cannot be played.
    """
    try:
        first, *then = path.read_text().splitlines()
        run = Run(**json.loads(first))
    except (OSError, ValueError, TypeError) as error:
        raise SystemExit(f"--replay: {path} is no trace that --trace wrote: {error}") from None
    for number, (old, new) in enumerate(zip_longest(then, _decisions(run)), 2):
        if old != new:
            return f"line {number} was {old}, and now is {new}"
    return ""


def _decisions(run: Run) -> Iterator[str]:
    lines: list[str] = []

    def watch(now: float, batch: list[Observation], why: str) -> None:
        robots = [each.robot.name for each in batch]
        if robots or why.startswith(("waits", "late ones wait")):
            lines.append(json.dumps({"at_s": now, "batch": robots, "why": why}))

    play(run, watch)
    return iter(lines)
