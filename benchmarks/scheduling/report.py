"""The tables, as Markdown that can be read as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .campaign import BOUND
from .contestants import CONTESTANTS
from .results import Results, Row
from .workloads import WORKLOADS

TIERS = range(3)


def print_table(title: str, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Columns as wide as what is in them; nothing at all where there is no line."""
    if not lines:
        return
    widths = [max(len(line[place]) for line in (heads, *lines)) for place in range(len(heads))]
    print(f"\n{title}\n")
    for line in (heads, ["-" * width for width in widths], *lines):
        print("| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(line, widths)) + " |")


def print_open(results: Results) -> None:
    """Who answers how much in time, then more about ours."""
    names = results.contestants
    print_table(
        "Open loop: answered in time, % (95 % confidence)",
        ["row", "bound", *names],
        [
            [
                _named(row),
                results.estimate(row, BOUND, "bound").percent(),
                *(results.estimate(row, name, "on_time").percent() for name in names),
            ]
            for row in results.rows
        ],
    )
    for name in names:
        if CONTESTANTS[name].ours:
            print_table(
                f"Open loop, {name}",
                ["row", "of the bound %", "tiers 0/1/2 %", "in time/s", "mean batch"]
                + ["longest wait s", "guard's bound s"],
                [
                    [
                        _named(row),
                        _percent(results.of_bound(row, name)),
                        _tiers(results, row, name, "on_time"),
                        _number(results.mean(row, name, "on_time_per_s"), 1),
                        _number(results.mean(row, name, "mean_batch"), 2),
                        _number(results.largest(row, name, "longest_wait_s"), 2),
                        _number(results.largest(row, name, "wait_bound_s"), 2),
                    ]
                    for row in results.rows
                ],
            )


def print_closed(results: Results) -> None:
    """Moving time of everybody, then one table a row."""
    names = results.contestants
    print_table(
        "Closed loop: share of the time that robots move, % (95 % confidence)",
        ["row", *names],
        [
            [_named(row), *(results.estimate(row, name, "moving").percent() for name in names)]
            for row in results.rows
        ],
    )
    print_table(
        "Closed loop, in full",
        ["row", "contestant", "moving %", "tiers 0/1/2 %", "in time/s", "longest stall s"]
        + ["age p99 s", "Jain", "in time %", "mean batch", "longest wait s"],
        [
            [
                _named(row),
                name,
                results.estimate(row, name, "moving").percent(),
                _tiers(results, row, name, "moving"),
                _number(results.mean(row, name, "on_time_per_s"), 1),
                _number(results.largest(row, name, "longest_stall_s"), 2),
                _number(results.mean(row, name, "age_p99_s"), 2),
                _number(results.mean(row, name, "jain"), 3),
                _percent(results.mean(row, name, "on_time")),
                _number(results.mean(row, name, "mean_batch"), 2),
                _number(results.largest(row, name, "longest_wait_s"), 2),
            ]
            for row in results.rows
            for name in names
            if results.has(row, name)
        ],
    )


def _named(row: Row) -> str:
    return f"{row[0]} {row[1]:g}"


def _number(value: float, digits: int) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"


def _percent(share: float) -> str:
    return _number(100 * share, 1)


def _tiers(results: Results, row: Row, name: str, figure: str) -> str:
    if len(WORKLOADS[row[0]].kinds) == 1:
        return ""
    return "/".join(_number(100 * results.mean(row, name, f"{figure}_tier_{t}"), 0) for t in TIERS)
