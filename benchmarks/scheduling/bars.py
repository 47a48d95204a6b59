"""What was promised, and whether it is kept: one line a bar."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mean
from typing import NamedTuple

from .results import Results, Row

ONE_TIER = tuple(f"W{number}" for number in range(1, 7))
PROTECT, FAIR = "protect", "fair"
OBEYING = ("protect+hints", "fair+hints")
RIVAL = "fifo-8"
BEHIND = {("W7", 1.2): 0.05, ("W7", 2.0): 0.10}  # of RIVAL in moving share, at most
OTHERWISE_BEHIND = 0.03


class Bar(NamedTuple):
    """One promise."""

    text: str
    found: str
    kept: bool


def print_bars(bars: Iterator[Bar]) -> bool:
    """Whether all are kept."""
    all_kept = True
    for bar in bars:
        all_kept = all_kept and bar.kept
        print(f"{'yes' if bar.kept else 'NO ':3}  {bar.text}: {bar.found}")
    return all_kept


def open_bars(results: Results) -> Iterator[Bar]:
    """Of what was run, those that can be judged."""
    rows = [row for row in results.rows if results.has(row, PROTECT, "bound")]
    single = {row: results.of_bound(row, PROTECT) for row in rows if row[0] in ONE_TIER}
    if single:
        average, least = mean(single.values()), min(single, key=lambda row: single[row])
        text = f"mean over {len(single)} rows of W1 to W6 at least 97 % of the bound"
        yield Bar(text, f"{100 * average:.1f} %", average >= 0.97)
        found = f"{100 * single[least]:.1f} % at {_named(least)}"
        yield Bar("no row of W1 to W6 under 75 % of the bound", found, single[least] >= 0.75)
    for load, bar in ((1.2, 0.95), (2.0, 0.85)):
        if ("W7", load) in rows:
            share = results.mean(("W7", load), PROTECT, "on_time_tier_0")
            text = f"W7 at {load}: tier 0 in time at least {bar:.0%}"
            yield Bar(text, f"{100 * share:.1f} %", share >= bar)
    tiered = {row: results.of_bound(row, PROTECT) for row in rows if row[0] == "W7"}
    if tiered:
        least = min(tiered, key=lambda row: tiered[row])
        found = f"{100 * tiered[least]:.1f} % at {_named(least)}"
        yield Bar("W7, all tiers: at least 60 % of the bound", found, tiered[least] >= 0.60)
    over = [row for row in rows if _waits_too_long(results, row)]
    found = ", ".join(map(_named, over)) or "nobody"
    yield Bar("who waits longer than the guard's bound", found, not over)


def _waits_too_long(results: Results, row: Row) -> bool:
    waits = results.values(row, PROTECT, "longest_wait_s")
    bounds = results.values(row, PROTECT, "wait_bound_s")
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


def _against_rival(results: Results, row: Row) -> Bar:
    better = max((PROTECT, FAIR), key=lambda name: results.mean(row, name, "moving"))
    ahead = results.mean(row, better, "moving") - results.mean(row, RIVAL, "moving")
    allowed = BEHIND.get(row, OTHERWISE_BEHIND)
    text = f"{_named(row)}: at most {100 * allowed:.0f} points behind {RIVAL} in moving time"
    return Bar(text, f"{100 * ahead:+.1f} ({better})", ahead >= -allowed)


def _named(row: Row) -> str:
    return f"{row[0]} at {row[1]:g}"
