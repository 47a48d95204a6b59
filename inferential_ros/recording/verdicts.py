"""Says in words how the columns of two models' action chunks differ. Arrays only.

Each explanation that is tried predicts one model's column from what the other one answered; the
one that leaves the least is told, if it leaves next to nothing. What no explanation covers is told
by its size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

SAME = 1e-4  # of the largest value: what another order of summing, or bfloat16 at the end, makes
EXPLAINED = 0.05  # of the column's spread: what an explanation may leave
ALIKE = 0.05  # a factor this close to 1, or an offset this small a share of the spread, is none
ITS_OWN = 1.5  # times what a model differs from itself
DEGREES = 180.0 / np.pi


class Column(NamedTuple):
    """How one column differs, in the units of the actions, and what that looks like."""

    mean_abs: float
    rms: float
    max_abs: float
    verdict: str
    same: bool


class _Explanation(NamedTuple):
    left: float  # root mean square of what it does not explain
    words: str


def compare(
    ours: np.ndarray,
    theirs: np.ndarray,
    names: Sequence[str],
    other: str,
    own_rms: np.ndarray | None = None,
) -> dict[str, Column]:
    """Each column by name, of chunks (N, H, D) that answer the same N observations.

    other: what the model of `theirs` is called. own_rms: (D,) by how much that one differs from
    itself when it is asked twice; None where that is not known.
    """
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    found = {}
    for index, name in enumerate(names):
        apart = ours[..., index] - theirs[..., index]
        with np.errstate(invalid="ignore"):
            rms = float(np.sqrt((apart**2).mean()))
            largest, mean = float(np.abs(apart).max()), float(np.abs(apart).mean())
        scale = float(np.abs(theirs[..., index]).max())
        same = largest <= SAME * scale
        if same:
            words = "the same"
        elif own_rms is not None and rms <= ITS_OWN * own_rms[index]:
            words = f"as far apart as two answers of {other} to one observation are"
        else:
            words = _difference(ours, theirs, index, names, other, rms)
        found[name] = Column(mean, rms, largest, words, same)
    return found


def _difference(
    ours: np.ndarray, theirs: np.ndarray, index: int, names: Sequence[str], other: str, rms: float
) -> str:
    """What the difference of a column looks like."""
    mine, its = ours[..., index], theirs[..., index]
    if not np.isfinite(mine).all() or not np.isfinite(its).all():
        where = " and ".join(
            who
            for who, column in (("here", mine), (f"in {other}", its))
            if not np.isfinite(column).all()
        )
        return f"not a number {where} at times"
    if np.ptp(mine) == 0.0:
        still = f"always {mine.flat[0]:.3g} here"
        return still + (f", always {its.flat[0]:.3g} in {other}" if np.ptp(its) == 0.0 else "")
    reach = float(np.ptp(its))
    share = f", {100.0 * rms / reach:.2g} % of the column's range in {other}" if reach else ""
    unexplained = _Explanation(rms, f"differs by {rms:.3g} rms{share}")
    found = min(unexplained, *_explanations(ours, theirs, index, names, other))
    return (found if found.left <= EXPLAINED * mine.std() else unexplained).words


def _explanations(
    ours: np.ndarray, theirs: np.ndarray, index: int, names: Sequence[str], other: str
) -> Iterator[_Explanation]:
    mine, its = ours[..., index], theirs[..., index]
    if np.ptp(its) > 0.0:
        gain, offset = np.polyfit(its.ravel(), mine.ravel(), 1)
        words = _linear(gain, offset / mine.std(), offset, other)
        if words:
            yield _Explanation(_rms(mine - gain * its - offset), words)
    for column, name in enumerate(names):
        if column != index:
            yield _Explanation(_rms(mine - theirs[..., column]), f"what {name} is in {other}")
    for steps in range(1, mine.shape[1] // 2 + 1):
        yield _Explanation(
            _rms(mine[:, :-steps] - its[:, steps:]), f"{_steps(steps)} ahead of {other}"
        )
        yield _Explanation(
            _rms(mine[:, steps:] - its[:, :-steps]), f"{_steps(steps)} behind {other}"
        )


def _linear(gain: float, share: float, offset: float, other: str) -> str:
    """In words, what a factor and an offset do; '' where they do nothing to speak of."""
    plus = f" {'plus' if offset > 0 else 'minus'} {abs(offset):.3g}" if abs(share) > ALIKE else ""
    for factor, words in (
        (DEGREES, f"as {other} in degrees instead of radians (57.3 times as large)"),
        (1.0 / DEGREES, f"as {other} in radians instead of degrees (57.3 times smaller)"),
        (-1.0, f"as {other} with the opposite sign"),
        (1.0, f"as {other}" if plus else ""),
    ):
        if abs(gain / factor - 1.0) < ALIKE:
            return words + plus if words else ""
    return f"{gain:.3g} times {other}{plus}"


def _rms(apart: np.ndarray) -> float:
    return float(np.sqrt((apart**2).mean()))


def _steps(count: int) -> str:
    return "one step" if count == 1 else f"{count} steps"
