"""One fault, from a calm moment to the verdict."""

from __future__ import annotations

import random
import time
from collections import Counter

from .faults import Fault
from .stage import Stage
from .verdict import Row, judge_accounts, judge_robots

CALM_S = 1.0  # before a fault
LOOK_EVERY_S = 0.25
PATIENCE_S = 8.0  # beyond the bar, to tell how late somebody was
AFTERWARDS_S = 1.0  # watched at least, after everybody is back


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
    judge_accounts(
        row,
        differences,
        {} if restarted else before["clients"],
        after["clients"],
        exact=not (fault.loses_messages or restarted),
        unended=unended,
        unbalanced=stage.unbalanced - unbalanced,
    )
    row.broken += fault.promises(row) + getattr(started, "broken", [])
    row.remark = getattr(started, "remark", "")
    return row
