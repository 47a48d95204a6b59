"""Columns that a model gives relative to the state that it observed, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from inferential_ros import geometry
from inferential_ros.execution.plan import PlanRefused
from inferential_ros.execution.rotations import Rotation


@dataclass(frozen=True)
class Relative(ABC):
    """Columns called `name` that count from a state, which is in the key `key` of an observation.

    Of a key with a history, the newest sample is the state.
    """

    name: str
    key: str

    def state(self, observed: Mapping[str, Any]) -> np.ndarray:
        """The numbers (n,) of the key; PlanRefused where it was not observed."""
        if self.key not in observed:
            raise PlanRefused(f"{self.name!r} is relative to {self.key!r}, which was not observed")
        newest = np.asarray(observed[self.key])
        return newest[-1] if newest.ndim > 1 else newest

    @abstractmethod
    def make_absolute(self, rows: np.ndarray, observed: Mapping[str, Any]) -> None:
        """Add the state to rows (H, D) of a model's plan, in place."""

    @abstractmethod
    def make_relative(self, rows: np.ndarray, observed: Mapping[str, Any]) -> None:
        """Take the state from rows (H, D) of what is executed, in place."""


@dataclass(frozen=True)
class RelativeNumber(Relative):
    """A column; absolute is the column + gain * state[index] + offset, in the actions' units."""

    column: int
    index: int
    gain: float
    offset: float

    def make_absolute(self, rows: np.ndarray, observed: Mapping[str, Any]) -> None:
        rows[:, self.column] += self._number(observed)

    def make_relative(self, rows: np.ndarray, observed: Mapping[str, Any]) -> None:
        rows[:, self.column] -= self._number(observed)

    def _number(self, observed: Mapping[str, Any]) -> float:
        return float(self.state(observed)[self.index]) * self.gain + self.offset


@dataclass(frozen=True)
class RelativeRotation(Relative):
    """The columns of a rotation, which turns the observed one further about the same fixed axes.

    Absolute is columns * observed. observed: where the rotation is in the key, and in which form.
    """

    rotation: Rotation
    observed: Rotation

    def make_absolute(self, rows: np.ndarray, observed: Mapping[str, Any]) -> None:
        at = self.rotation.at
        turns = self.rotation.read(self.rotation.admitted(rows[:, at]))
        rows[:, at] = self.rotation.write(geometry.multiply(turns, self._quaternion(observed)))

    def make_relative(self, rows: np.ndarray, observed: Mapping[str, Any]) -> None:
        at = self.rotation.at
        back = geometry.inverse(self._quaternion(observed))
        rows[:, at] = self.rotation.write(geometry.multiply(self.rotation.read(rows[:, at]), back))

    def _quaternion(self, observed: Mapping[str, Any]) -> np.ndarray:
        values = np.asarray(self.state(observed)[self.observed.at], dtype=np.float64)
        return self.observed.read(self.observed.admitted(values))
