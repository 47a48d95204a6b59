"""The tables, as Markdown that can be read as it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from .campaign import BOUND
from .contestants import CONTESTANTS
from .motion_bound import most_motion_of
from .results import Results, Row
from .workloads import WORKLOADS

TIERS = range(3)
Column = Callable[[Results, Row, str], str]  # what a table says of a row and a contestant


def _tiers(figure: str) -> Column:
    def column(results: Results, row: Row, name: str) -> str:
        if len(WORKLOADS[row[0]].kinds) == 1:
            return ""
        shares = (results.mean(row, name, f"{figure}_tier_{tier}") for tier in TIERS)
        return "/".join(_number(100 * share, 0) for share in shares)

    return column


def _share(figure: str) -> Column:
    """With its confidence."""
    return lambda results, row, name: results.estimate(row, name, figure).percent()


def _mean(figure: str, digits: int, factor: float = 1.0) -> Column:
    return lambda results, row, name: _number(factor * results.mean(row, name, figure), digits)


def _largest(figure: str) -> Column:
    return lambda results, row, name: _number(results.largest(row, name, figure), 2)


OPEN: dict[str, Column] = {
    "of the bound %": lambda *about: _number(100 * Results.of_bound(*about), 1),
    "tiers 0/1/2 %": _tiers("on_time"),
    "in time/s": _mean("on_time_per_s", 1),
    "mean batch": _mean("mean_batch", 2),
    "longest wait s": _largest("longest_wait_s"),
    "guard's bound s": _largest("wait_bound_s"),
}
CLOSED: dict[str, Column] = {
    "contestant": lambda results, row, name: name,
    "moving %": _share("moving"),
    "starved ticks %": _mean("starved", 1, 100.0),
    "actions": _mean("executed_actions", 0),
    "tiers 0/1/2 %": _tiers("moving"),
    "in time/s": _mean("on_time_per_s", 1),
    "longest stall s": _largest("longest_stall_s"),
    "age p99 s": _mean("age_p99_s", 2),
    "trip p99 s": _mean("trip_p99_s", 2),
    "Jain": _mean("jain", 3),
    "in time %": _mean("on_time", 1, 100.0),
    "mean batch": _mean("mean_batch", 2),
    "longest wait s": _largest("longest_wait_s"),
    "guard's bound s": _largest("wait_bound_s"),
}


def print_table(title: str, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Columns as wide as what is in them; nothing at all where there is no line."""
    if not lines:
        return
    widths = [max(map(len, column)) for column in zip(heads, *lines)]
    print(f"\n{title}\n")
    for line in (heads, ["-" * width for width in widths], *lines):
        print("| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(line, widths)) + " |")


def _print_each(
    title: str, columns: Mapping[str, Column], results: Results, names: Sequence[str]
) -> None:
    """A line for each row and contestant."""
    lines = [
        [f"{row[0]} {row[1]:g}", *(told(results, row, name) for told in columns.values())]
        for row in results.rows
        for name in names
        if results.has(row, name)
    ]
    print_table(title, ["row", *columns], lines)


def _print_shares(
    title: str,
    figures: Mapping[str, str],
    results: Results,
    beside: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    """A line for each row, a column for each contestant and a figure of it.

    beside: more columns, a cell for each row.
    """
    lines = [
        [f"{row[0]} {row[1]:g}", *(cells[number] for cells in beside.values())]
        + [results.estimate(row, who, what).percent() for who, what in figures.items()]
        for number, row in enumerate(results.rows)
    ]
    print_table(title, ["row", *beside, *figures], lines)


def print_open(results: Results) -> None:
    """Who answers how much in time, then more about ours."""
    names = results.contestants
    title = "Open loop: answered in time, % (95 % confidence)"
    _print_shares(title, {BOUND: "bound", **dict.fromkeys(names, "on_time")}, results)
    for name in names:
        if CONTESTANTS[name].ours:
            _print_each(f"Open loop, {name}", OPEN, results, [name])


def print_closed(results: Results) -> None:
    """Moving time of everybody, then one table a row."""
    title = "Closed loop: share of the time that robots move, % (95 % confidence)"
    kinds = {CONTESTANTS[name].habits.sequential for name in results.contestants}
    bounds = {
        "bound, queued" if queued else "bound": [
            f"{100 * most_motion_of(WORKLOADS[name], load, queued):.1f}"
            for name, load in results.rows
        ]
        for queued in sorted(kinds)
    }
    _print_shares(title, dict.fromkeys(results.contestants, "moving"), results, bounds)
    _print_each("Closed loop, in full", CLOSED, results, results.contestants)


def _number(value: float, digits: int) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"
