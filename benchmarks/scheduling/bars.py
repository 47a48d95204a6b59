"""Whether what was promised of the schedulers is kept."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mean
from typing import NamedTuple

from ..options import yes
from .campaign import BOUND
from .results import Results, Row
from .workloads import OF_A_SIZE

DEFAULT, PROTECT, FAIR = "default", "protect", "fair"
OBEYING = ("default+hints", "protect+hints", "fair+hints")
OURS = "default+hints"  # and with whom it is compared: the same robots, other schedulers
OTHERS = ("protect+hints", "fair+hints", "lookahead+hints", "fifo-8+hints")
STRICT = "strict+hints"
LOADED = (0.9, 1.2, 2.0)
ALIKE = ("W1", "W2", "W3", "W4", "W6")  # whose mean is promised
IN_TIME = {("W2", 0.9): 17.0, ("W3", 1.2): 22.0}  # answers in time per second, at least
LONGEST_STALL_S = 1.5  # of any robot of W1 to W6 where the fleet is not far too large
RIVAL = "fifo-8"
BEHIND = {("W7", 1.2): 0.05, ("W7", 2.0): 0.10}  # of RIVAL in moving share, at most
OTHERWISE_BEHIND = 0.03


class Bar(NamedTuple):
    """One promise."""

    text: str
    found: str
    kept: bool


def print_bars(bars: Iterator[Bar]) -> bool:
    """One line a bar; whether all are kept."""
    all_kept = True
    for bar in bars:
        all_kept = all_kept and bar.kept
        print(f"{yes(bar.kept):3}  {bar.text}: {bar.found}")
    return all_kept


def open_bars(results: Results) -> Iterator[Bar]:
    """Of what was run, those that can be judged."""
    rows = [row for row in results.rows if results.has(row, DEFAULT, BOUND)]
    shares = {row: results.of_bound(row, DEFAULT) for row in rows}
    single = {row: share for row, share in shares.items() if row[0] <= "W6"}
    tiered = {row: share for row, share in shares.items() if row[0] == "W7"}
    if single:
        average = mean(single.values())
        text = f"mean over {len(single)} rows of W1 to W6 at least 97 % of the bound"
        yield Bar(text, f"{100 * average:.1f} %", average >= 0.97)
        yield _least("no row of W1 to W6 under 91 % of the bound", single, 0.91)
    for load, bar in ((1.2, 0.95), (2.0, 0.85)):
        if ("W7", load) in rows:
            share = results.mean(("W7", load), DEFAULT, "on_time_tier_0")
            text = f"W7 at {load}: tier 0 in time at least {bar:.0%}"
            yield Bar(text, f"{100 * share:.1f} %", share >= bar)
    if tiered:
        yield _least("W7, all tiers: at least 60 % of the bound", tiered, 0.60)
    over = [row for row in rows if _waits_too_long(results, row)]
    found = ", ".join(map(_named, over)) or "nobody"
    yield Bar("who waits longer than the guard's bound", found, not over)


def _beside_peers(results: Results) -> Iterator[Bar]:
    """On the workloads of others: what their best schedulers reach there."""
    row = ("W9", OF_A_SIZE["W9"])
    for name, fast, starved in (("strict", 0.92, 0.353), (DEFAULT, 0.73, 0.259)):
        if results.has(row, name):
            tier = results.mean(row, name, "moving_tier_0")
            stands = 1.0 - results.mean(row, name, "moving")
            text = f"W9: fast arm moves {fast:.0%} or more, {starved:.1%} starved or less, {name}"
            found = f"{100 * tier:.1f} %, {100 * stands:.1f} %"
            yield Bar(text, found, tier >= fast and stands <= starved)
    for workload in ("KINDS", "STEPS", "STEPS20"):
        row = (workload, OF_A_SIZE[workload])
        if results.has(row, "default+queued", "edf+queued"):
            ours, edf = (
                1.0 - results.mean(row, f"{who}+queued", "starved") for who in (DEFAULT, "edf")
            )
            text = f"{workload}: at most 1 point behind EDF in useful control periods"
            yield Bar(text, f"{100 * (ours - edf):+.1f} ({100 * ours:.1f} %)", ours >= edf - 0.01)
            if workload == "STEPS20":
                yield Bar("STEPS20: at least 96 % of them", f"{100 * ours:.1f} %", ours >= 0.96)


def _least(text: str, shares: dict[Row, float], at_least: float) -> Bar:
    row = min(shares, key=lambda row: shares[row])
    return Bar(text, f"{100 * shares[row]:.1f} % at {_named(row)}", shares[row] >= at_least)


def _waits_too_long(results: Results, row: Row, name: str = DEFAULT) -> bool:
    waits = results.values(row, name, "longest_wait_s")
    bounds = results.values(row, name, "wait_bound_s")
    return any(wait > bound for wait, bound in zip(waits, bounds))


def closed_bars(results: Results) -> Iterator[Bar]:
    """Of what was run, those that can be judged."""
    if results.has(("W8", 0.9), PROTECT):
        moving = results.mean(("W8", 0.9), PROTECT, "moving")
        text = "W8 at 0.9: honest robots move 100 % of the time"
        yield Bar(text, f"{100 * moving:.2f} %", moving >= 0.9995)
    for row in (("W1", 1.2), ("W6", 1.2)):
        for name in OBEYING:
            if results.has(row, name):
                moving = results.mean(row, name, "moving")
                text = f"{_named(row)}: robots that obey hints move at least 98 %, {name}"
                yield Bar(text, f"{100 * moving:.1f} %", moving >= 0.98)
    for row in results.rows:
        if results.has(row, PROTECT, FAIR, RIVAL):
            yield _against_rival(results, row)
        if row[1] in LOADED and results.has(row, OURS, *OTHERS):
            yield _against_others(results, row)
    yield from _of_the_default(results)


def _against_others(results: Results, row: Row) -> Bar:
    """The default beside whoever is best with the same robots."""
    moving = {name: results.mean(row, name, "moving") for name in OTHERS}
    best = max(OTHERS, key=moving.__getitem__)
    ahead = results.mean(row, OURS, "moving") - moving[best]
    text = f"{_named(row)}: {OURS} at most 1 point behind the best of the others in moving time"
    return Bar(text, f"{100 * ahead:+.1f} ({best})", ahead >= -0.01)


def _of_the_default(results: Results) -> Iterator[Bar]:
    """What the default promises of robots that follow hints."""
    rows = [row for row in results.rows if row[1] in LOADED and results.has(row, OURS)]
    alike = [row for row in rows if row[0] in ALIKE]
    if len(alike) == len(ALIKE) * len(LOADED):
        average = mean(results.mean(row, OURS, "moving") for row in alike)
        text = f"mean over {len(alike)} rows of {', '.join(ALIKE)}: at least 92 % in motion"
        yield Bar(text, f"{100 * average:.1f} %", average >= 0.92)
    for row in rows:
        if row in IN_TIME:
            found = results.mean(row, OURS, "on_time_per_s")
            text = f"{_named(row)}: at least {IN_TIME[row]:g} answers in time per second"
            yield Bar(text, f"{found:.1f}", found >= IN_TIME[row])
    stalls = {
        row: results.largest(row, OURS, "longest_stall_s")
        for row in rows
        if row[0] <= "W6" and row[1] < 2.0
    }
    if stalls:
        row = max(stalls, key=lambda row: stalls[row])
        text = f"no robot of W1 to W6 stands for {LONGEST_STALL_S} s below load 2"
        yield Bar(text, f"{stalls[row]:.2f} s at {_named(row)}", stalls[row] < LONGEST_STALL_S)
    for load, bar, name in ((1.2, 0.9, OURS), (1.2, 0.9, STRICT), (2.0, 0.7, STRICT)):
        if results.has(("W7", load), name):
            tier = results.mean(("W7", load), name, "moving_tier_0")
            everybody = results.mean(("W7", load), name, "moving")
            text = f"W7 at {load}: tier 0 moves at least {bar:.0%}, {name}"
            found = f"{100 * tier:.1f} % (everybody {100 * everybody:.1f} %)"
            yield Bar(text, found, tier >= bar)
    yield from _beside_peers(results)
    if results.has(("W8", 0.9), OURS):
        moving = results.mean(("W8", 0.9), OURS, "moving")
        text = f"W8 at 0.9: honest robots move 99.5 % of the time, {OURS}"
        yield Bar(text, f"{100 * moving:.2f} %", moving >= 0.995)
    over = [
        row
        for row in results.rows
        if results.has(row, OURS) and _waits_too_long(results, row, OURS)
    ]
    found = ", ".join(map(_named, over)) or "nobody"
    yield Bar(f"who waits longer than the guard's bound, {OURS}", found, not over)


def _against_rival(results: Results, row: Row) -> Bar:
    moving = {name: results.mean(row, name, "moving") for name in (PROTECT, FAIR, RIVAL)}
    better = max((PROTECT, FAIR), key=moving.__getitem__)
    ahead, allowed = moving[better] - moving[RIVAL], BEHIND.get(row, OTHERWISE_BEHIND)
    text = f"{_named(row)}: at most {100 * allowed:.0f} points behind {RIVAL} in moving time"
    return Bar(text, f"{100 * ahead:+.1f} ({better})", ahead >= -allowed)


def _named(row: Row) -> str:
    return f"{row[0]} at {row[1]:g}"
