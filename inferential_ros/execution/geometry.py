"""Columns of a plan that are no plain numbers: angles without ends, and rotations.

A `Group` is some columns of a row that mean one thing, and knows what it is to mix two of its
values, to go from one to another by no more than a step, and which of the ways to write a value is
nearest to the one before. Everything it is given and gives holds its own columns alone.

Columns that belong to no group are linear, and none of this is called for them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from inferential_ros import geometry
from inferential_ros.execution.plan import Plan, Sampling

Columns = slice | np.ndarray
Values = np.ndarray | list[float]


def as_index(columns: Sequence[int]) -> Columns:
    """What numpy takes the columns by; a slice where they lie side by side, as it is faster."""
    if all(b - a == 1 for a, b in zip(columns, columns[1:])):
        return slice(columns[0], columns[-1] + 1)
    return np.array(columns, dtype=np.intp)


@dataclass(frozen=True, eq=False)
class Group(ABC):
    """Some columns, by index in a row, with their names."""

    columns: tuple[int, ...]
    names: tuple[str, ...]

    @cached_property
    def at(self) -> Columns:
        """What numpy takes the columns by."""
        return as_index(self.columns)

    def within(self, columns: Sequence[int]) -> Group | None:
        """This group in a row that holds only these columns; None where none of it is in there."""
        if not set(self.columns) & set(columns):
            return None
        return replace(self, columns=tuple(columns.index(column) for column in self.columns))

    def held_to(self, lower: np.ndarray, upper: np.ndarray, most: np.ndarray) -> Group:
        """This group where an output limits its columns (n,) and how far they go in a tick."""
        return self

    def admitted(self, actions: np.ndarray) -> np.ndarray:
        """The columns (H, k) of a plan as they are executed; PlanRefused if they cannot be."""
        return actions

    @property
    def centres(self) -> bool:
        """Whether `centred` changes anything."""
        return False

    def centred(self, values: np.ndarray) -> np.ndarray:
        """The same values (..., k), written within the limits where that is a matter of turns."""
        return values

    @property
    def limitable(self) -> bool:
        """Whether a limit of one of the columns means anything."""
        return True

    @property
    def zero(self) -> Sequence[float]:
        """The zero pose (k,)."""
        return (0.0,) * len(self.columns)

    @abstractmethod
    def mix(self, mixed: np.ndarray, here: np.ndarray, there: np.ndarray, share: Any) -> None:
        """Put what lies between rows (..., D), at a share of the way, into rows mixed linearly.

        share: a float or (..., 1).
        """

    @abstractmethod
    def mean(self, rows: np.ndarray, weights: np.ndarray) -> Values:
        """The mean (k,) of rows (m, D), which are weighted (m,); the newest is the last."""

    @abstractmethod
    def near(self, row: np.ndarray, before: np.ndarray) -> None:
        """Write the values of a row (D,) as near to those of the row before as they can be."""

    @abstractmethod
    def step(
        self, stepped: np.ndarray, before: np.ndarray, row: np.ndarray, most: np.ndarray
    ) -> None:
        """Put what lies no further than `most` (D,) from before into a row stepped linearly."""

    @abstractmethod
    def ahead(self, start: np.ndarray, rows: np.ndarray, share: float) -> Values:
        """Where one gets from a row (D,) by a share of the way between two rows (2, D)."""


@dataclass(frozen=True, eq=False)
class Angles(Group):
    """Angles without ends; `turns` (k,) is how much a whole turn is, in the units of the plan.

    They go the short way. What is published never jumps by more than half a turn: it is written
    with as many whole turns as bring it next to what was published before. Where an output limits
    such a column, it is written within the limits instead.
    """

    turns: np.ndarray | float = geometry.TURN
    middle: np.ndarray | float = np.nan  # of the limits, where there are some
    narrow: np.ndarray | bool = False  # the limits leave less than a turn: it has ends after all

    def within(self, columns: Sequence[int]) -> Group | None:
        kept = [index for index, column in enumerate(self.columns) if column in columns]
        if not kept:
            return None
        turns = np.broadcast_to(self.turns, len(self.columns))[kept]
        places = tuple(columns.index(self.columns[index]) for index in kept)
        return Angles(places, tuple(self.names[index] for index in kept), turns=turns)

    def held_to(self, lower: np.ndarray, upper: np.ndarray, most: np.ndarray) -> Group:
        low, high = lower[self.at], upper[self.at]
        with np.errstate(invalid="ignore"):
            middle = np.where(np.isfinite(low) & np.isfinite(high), (low + high) / 2.0, np.nan)
        return replace(self, middle=middle, narrow=high - low < self.turns * (1.0 - 1e-9))

    def centred(self, values: np.ndarray) -> np.ndarray:
        return self.written(values, values)

    def written(self, values: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Values (..., k) with the whole turns that bring them within limits or next to before."""
        beside = np.where(np.isnan(self.middle), before, self.middle)
        return values - self.turns * np.round((values - beside) / self.turns)

    def mix(self, mixed: np.ndarray, here: np.ndarray, there: np.ndarray, share: Any) -> None:
        a, b = here[..., self.at], there[..., self.at]
        if self._short(b - a):
            return  # as numbers they are mixed along the short way
        way = geometry.wrapped(b - a, self.turns)
        mixed[..., self.at] = np.where(share < 0.5, a + share * way, b - (1.0 - share) * way)

    def mean(self, rows: np.ndarray, weights: np.ndarray) -> Values:
        values = rows[:, self.at]
        ways = geometry.wrapped(values - values[-1], self.turns)
        return values[-1] + weights @ ways / weights.sum()

    def near(self, row: np.ndarray, before: np.ndarray) -> None:
        values, last = row[self.at], before[self.at]
        if not self._written_alike(values, last):
            row[self.at] = self.written(values, last)

    def step(
        self, stepped: np.ndarray, before: np.ndarray, row: np.ndarray, most: np.ndarray
    ) -> None:
        last, values = before[self.at], row[self.at]
        if self._short(values - last):
            return
        way = np.where(self.narrow, values - last, geometry.wrapped(values - last, self.turns))
        reached = last + np.clip(way, -most[self.at], most[self.at])
        near = np.abs(way) <= most[self.at]
        stepped[self.at] = np.where(near, values, self.written(reached, last))

    def ahead(self, start: np.ndarray, rows: np.ndarray, share: float) -> Values:
        ways = geometry.wrapped(rows[1, self.at] - rows[0, self.at], self.turns)
        return start[self.at] + share * ways

    def _short(self, ways: np.ndarray) -> bool:
        return bool((np.abs(ways) <= self._half).all())

    def _written_alike(self, values: np.ndarray, last: np.ndarray) -> bool:
        return not self.centres and self._short(values - last)

    @cached_property
    def _half(self) -> np.ndarray | float:
        return self.turns / 2.0

    @cached_property
    def centres(self) -> bool:
        return not np.isnan(self.middle).all()


def admitted(plan: Plan, groups: Sequence[Group]) -> Plan:
    """The plan with every rotation at its length; PlanRefused names the columns at fault."""
    actions = plan.actions.astype(np.float64)
    for group in groups:
        actions[:, group.at] = group.admitted(actions[:, group.at])
    return replace(plan, actions=actions)


class GeometricSampling(Sampling):
    """Reads rows off plans of which some columns are angles without ends, or rotations."""

    def __init__(
        self,
        dimension: int,
        discrete: Sequence[int],
        between: bool,
        groups: Sequence[Group],
    ) -> None:
        super().__init__(dimension, discrete, between)
        self._groups = groups

    def mix(self, here: np.ndarray, there: np.ndarray, share: Any) -> np.ndarray:
        mixed = here + share * (there - here)
        for group in self._groups:
            group.mix(mixed, here, there, share)
        return mixed

    def mean(self, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        mean = super().mean(rows, weights)
        for group in self._groups:
            mean[group.at] = group.mean(rows, weights)
        return mean
