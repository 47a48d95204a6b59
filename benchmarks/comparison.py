"""Rounds that are interleaved, so that what else the machine does hits everybody alike.

`compare` puts this checkout beside an older build: both are measured in the same run, and the old
build a second time, as another instance. What old against old differs by is the spread: what a
figure may differ by without a reason.
"""

from __future__ import annotations

import itertools
import math
import statistics
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import ExitStack
from typing import TypeVar

from .builds import HERE, Build, Cases, Figures, Measure, NoRevision, build_of

Who = TypeVar("Who", bound=Hashable)

TOLERANCE = 1.03  # x the old build's figure, beyond the spread
CONFIDENCE = 0.95
HIGHER_IS_BETTER = ("/s", "share")
NOT_JUDGED = ("p99", "worst")  # tails are shown only
HEAD = f"{'':44}{'old':>12}{'new':>12}{'new/old':>10}{'old/old':>16}"


def interleave(measures: Mapping[Who, Measure], rounds: int) -> dict[Who, list[Figures]]:
    """Measure everybody once a round; each round begins with the next of them."""
    found: dict[Who, list[Figures]] = {who: [] for who in measures}
    order = list(measures)
    for done in range(rounds):
        _progress(f"round {done + 1} of {rounds} ...")
        for who in order:
            found[who].append(measures[who]())
        order.append(order.pop(0))
    _progress("")
    return found


def _progress(told: str) -> None:
    """In the last line of a terminal, which the next text takes the place of."""
    if sys.stderr.isatty():
        print(f"\r\033[K{told}", end="", file=sys.stderr, flush=True)


def medians(rounds: Sequence[Figures]) -> Figures:
    """Of each figure the median over the rounds."""
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def middles(measures: Mapping[Who, Measure], rounds: int) -> dict[Who, Figures]:
    """Everybody's medians over interleaved rounds."""
    return {who: medians(each) for who, each in interleave(measures, rounds).items()}


def interval_of_median(values: Sequence[float]) -> tuple[float, float]:
    """An interval that holds the median of what the values are drawn from, in CONFIDENCE of cases.

    From order statistics and the binomial distribution (Conover, Practical Nonparametric
    Statistics, section 3.2); with fewer than six values, the smallest and the largest.
    """
    ordered, count = sorted(values), len(values)
    tails = (2 * math.comb(count, cut) / 2**count for cut in range(count // 2))
    last = max(0, sum(p <= 1 - CONFIDENCE for p in itertools.accumulate(tails)) - 1)
    return ordered[last], ordered[count - 1 - last]


def compare(revision: str, cases_of: Callable[[Build, ExitStack], Cases], rounds: int) -> int:
    """Print a row for each figure of each case; 1 if one is worse beyond the spread.

    cases_of: starts what a build needs, which ends with the stack, and says what can be measured.
    Cases that only one of the builds has are named and left out.
    """
    try:
        old = build_of(revision)
    except NoRevision as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    print(f"this checkout against {revision}, {rounds} interleaved rounds, medians")
    print(HEAD)
    worse = 0
    with ExitStack() as stack:
        builds = {"old": old, "new": HERE, "old again": old}
        cases = {name: cases_of(build, stack) for name, build in builds.items()}
        for case in cases["new"]:
            if case in cases["old"]:
                found = interleave({name: each[case] for name, each in cases.items()}, rounds)
                worse += _show(case, found)
        for case in sorted(set(cases["new"]) ^ set(cases["old"])):
            print(f"{case[:44]:44}  only in the {'new' if case in cases['new'] else 'old'} build")
    told = f"{worse} figures are" if worse else "no figure is"
    print(f"{told} worse than {TOLERANCE}x beyond the spread")
    return int(worse > 0)


def _show(case: str, found: dict[str, list[Figures]]) -> int:
    """The rows of one case; how many of its figures are worse."""
    worse, old, new = 0, medians(found["old"]), medians(found["new"])
    for figure in (name for name in new if name in old):
        ratio, again = (
            [_ratio(a[figure], b[figure]) for a, b in zip(found[who], found["old"])]
            for who in ("new", "old again")
        )
        middle, (least, most) = statistics.median(ratio), interval_of_median(again)
        least, most = min(least, 1.0), max(most, 1.0)  # old to old is 1, so that it always holds 1
        verdict = judge(figure, middle, least, most)
        worse += verdict == "worse"
        row = f"{f'{case}: {figure}':44}{_number(old[figure]):>12}{_number(new[figure]):>12}"
        row += f"{middle:9.3f}x{f'{least:.3f}-{most:.3f}':>16}  {verdict}"
        print(row.rstrip(), flush=True)
    return worse


def judge(figure: str, ratio: float, least: float, most: float) -> str:
    """`worse`, `better` or nothing: what is beyond both the tolerance and the spread."""
    if figure.split()[0] in NOT_JUDGED:
        return ""
    low, high = least / TOLERANCE, most * TOLERANCE
    if low <= ratio <= high:
        return ""
    return "better" if (ratio > high) == figure.endswith(HIGHER_IS_BETTER) else "worse"


def _ratio(new: float, old: float) -> float:
    if new == old:
        return 1.0
    return new / old if old else math.inf


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
