"""A chaos run: its command line, and each fault from a calm moment to the verdict."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import introduce
from benchmarks.options import parse

from .faults import FAULTS, Fault
from .stage import WAYS, Stage
from .verdict import HEAD, Row, judge_accounts, judge_robots, show

ROBOTS = 50
CALM_S = 1.0  # before a fault
LOOK_EVERY_S = 0.25
PATIENCE_S = 8.0  # beyond the bar, to tell how late somebody was
AFTERWARDS_S = 1.0  # watched at least, after everybody is back


def chosen(words: Sequence[str]) -> list[Fault]:
    """The faults whose name or family contains one of the words; all of them without words."""
    return [
        fault
        for fault in FAULTS
        if not words or any(word in fault.name or word == fault.family for word in words)
    ]


def run(fault: Fault, stage: Stage, chance: random.Random) -> Row:
    """Let it happen, and tell what became of everybody."""
    lives, unbalanced = stage.lives, stage.unbalanced
    before, counted = stage.look(), stage.robots.ask({})
    stage.go_on()
    stage.back_since(time.monotonic(), PATIENCE_S)
    time.sleep(CALM_S)
    since = time.monotonic()
    seconds = chance.uniform(*fault.lasts_s)
    started = fault.begin(stage, chance)
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        time.sleep(max(0.0, min(LOOK_EVERY_S, over - time.monotonic())))
        if not fault.silences_server:
            stage.look()
    fault.end(stage, started)
    ended = time.monotonic()
    stage.back_since(ended, PATIENCE_S)
    missing = stage.visitors_back_since(ended, PATIENCE_S)
    time.sleep(AFTERWARDS_S)
    until = time.monotonic()
    unended = stage.rest()
    row = Row(fault.name, seconds)
    window = {"window": [since, ended, until]}
    judge_robots(row, "robots", stage.robots.ask(window))
    judge_robots(row, "bridges", stage.sensors.ask(window))
    after, counts = stage.look(), stage.robots.ask({})
    differences = {name: Counter(counts[name]) - Counter(counted[name]) for name in counts}
    row.outcomes = sum(differences.values(), Counter())
    restarted = stage.lives > lives
    known = {pid: clients for pid, clients in before["lives"].items() if pid in after["lives"]}
    survived = sum(map(Counter, known.values()), Counter[str]())
    judge_accounts(
        row,
        differences,
        {} if restarted else before["clients"],
        after["clients"] - survived if restarted else after["clients"],
        exact=not (fault.loses_messages or restarted),
        unended=unended,
        unbalanced=stage.unbalanced - unbalanced,
    )
    row.broken += fault.promises(row) + getattr(started, "broken", [])
    row.broken += [f"{each} was not served again within {PATIENCE_S:g} s" for each in missing]
    row.broken += [
        f"{name} heard {counts['crossed']} answers to somebody else"
        for name, counts in stage.visitors.ask({}).items()
        if counts.get("crossed")
    ]
    row.remark = getattr(started, "remark", "")
    return row


def play(faults: list[Fault], seed: int, robots: int, keep: Path | None) -> list[Row]:
    """One run; faults that need the same network share their robots."""
    chance = random.Random(seed)
    rows = []
    for way in WAYS:
        ours = [fault for fault in faults if fault.way == way]
        if not ours:
            continue
        chance.shuffle(ours)
        with tempfile.TemporaryDirectory(prefix="chaos-") as scratch:
            with Stage(way, chance.randrange(2**32), robots, keep or Path(scratch)) as stage:
                for fault in ours:
                    rows.append(run(fault, stage, chance))
                    print(show(rows[-1]), flush=True)
    return rows


def main(arguments: list[str]) -> int:
    """0 if every promise held under every fault."""
    options = parse(
        "chaos",
        __doc__,
        arguments,
        seed=[1],
        only=(str, "faults or families", {"nargs": "+", "default": [], "metavar": "WORD"}),
        robots=(ROBOTS, "beside the two bridges"),
        logs=(Path, "folder to keep the logs of all processes in"),
        list=(False, "tell the faults and end"),
    )
    faults = chosen(options.only)
    if options.list or not faults:
        for fault in FAULTS:
            print(f"{fault.family:9}{fault.name:22}{fault.what}")
        return 0 if options.list else 2
    if options.logs:
        options.logs.mkdir(parents=True, exist_ok=True)
    introduce(f"{options.robots} robots and 2 bridges, seeds {options.seed}")
    broken: list[str] = []
    for seed in options.seed:
        begun = time.monotonic()
        print(f"\nseed {seed}\n{HEAD}", flush=True)
        for row in play(faults, seed, options.robots, options.logs):
            broken += [f"seed {seed}, {row.name}: {each}" for each in row.broken]
        print(f"{time.monotonic() - begun:.0f} s")
    for each in broken:
        print(each, file=sys.stderr)
    print("every promise held" if not broken else f"{len(broken)} promises broke")
    return 1 if broken else 0
