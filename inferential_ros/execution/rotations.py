"""Rotations among the columns of a plan, in the forms that policies give them in."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from inferential_ros import geometry
from inferential_ros.execution.geometry import Angles, Group, Values
from inferential_ros.execution.plan import PlanRefused


@dataclass(frozen=True, eq=False)
class Rotation(Group):
    """A rotation in some form, which `read` and `write` convert from and to quaternions.

    `max_step` of its columns, the smallest of them, is the largest angle in rad. Parts of a
    quaternion or of a matrix have no limits.
    """

    largest: float = np.inf  # rad in a tick

    def held_to(self, lower: np.ndarray, upper: np.ndarray, most: np.ndarray) -> Group:
        return replace(self, largest=float(most[self.at].min()))

    @abstractmethod
    def read(self, values: np.ndarray) -> np.ndarray:
        """Values (..., k) -> quaternions (..., 4)."""

    @abstractmethod
    def write(self, quaternions: np.ndarray) -> np.ndarray:
        """Quaternions (..., 4) -> values (..., k)."""

    def normal(self, values: np.ndarray) -> np.ndarray:
        """Values (..., k) as numbers of a rotation; NoRotation where they are far from any."""
        return values

    def admitted(self, actions: np.ndarray) -> np.ndarray:
        try:
            return self.normal(actions)
        except geometry.NoRotation as error:
            raise PlanRefused(
                f"step {error.row} of {', '.join(self.names)} is {error}, which is no rotation"
            ) from None

    @property
    def limitable(self) -> bool:
        return False

    @property
    def zero(self) -> Sequence[float]:
        return tuple(self.write(np.array(geometry.IDENTITY)).tolist())

    def mix(self, mixed: np.ndarray, here: np.ndarray, there: np.ndarray, share: Any) -> None:
        a, b = self.read(here[..., self.at]), self.read(there[..., self.at])
        mixed[..., self.at] = self.write(_between(a, b, share))

    def mean(self, rows: np.ndarray, weights: np.ndarray) -> Values:
        return self.write(geometry.mean_rotation(self.read(rows[:, self.at]), weights))

    def near(self, row: np.ndarray, before: np.ndarray) -> None:
        pass  # there is one way to write it

    def step(
        self, stepped: np.ndarray, before: np.ndarray, row: np.ndarray, most: np.ndarray
    ) -> None:
        a, b = self.read(before[self.at]).tolist(), self.read(row[self.at]).tolist()
        angle = geometry.angle_between(a, b)
        if angle <= self.largest:
            stepped[self.at] = row[self.at]
        else:
            reached = np.array(geometry.slerp(a, b, self.largest / angle))
            stepped[self.at] = self.write(reached)

    def ahead(self, start: np.ndarray, rows: np.ndarray, share: float) -> Values:
        before, after = self.read(rows[:, self.at])
        turned = geometry.multiply(after, geometry.inverse(before))
        way = np.array(geometry.slerp(geometry.IDENTITY, turned.tolist(), share))
        return self.write(geometry.multiply(way, self.read(start[self.at])))


@dataclass(frozen=True, eq=False)
class Quaternion(Rotation):
    """x, y, z, w of a rotation; its sign is the one that is nearer to what was before."""

    def read(self, values: np.ndarray) -> np.ndarray:
        return values

    def write(self, quaternions: np.ndarray) -> np.ndarray:
        return quaternions

    def normal(self, values: np.ndarray) -> np.ndarray:
        return geometry.unit(values)

    def mix(self, mixed: np.ndarray, here: np.ndarray, there: np.ndarray, share: Any) -> None:
        if here.ndim > 1:
            super().mix(mixed, here, there, share)
        else:
            at = self.at
            mixed[at] = geometry.slerp(here[at].tolist(), there[at].tolist(), share)

    def step(
        self, stepped: np.ndarray, before: np.ndarray, row: np.ndarray, most: np.ndarray
    ) -> None:
        values = row[self.at]
        if abs(values.dot(before[self.at])) >= self._cosine:
            stepped[self.at] = values
        else:
            super().step(stepped, before, row, most)

    @cached_property
    def _cosine(self) -> float:
        """Of half of the largest angle in a tick, which is that between the quaternions."""
        return math.cos(min(self.largest, math.pi) / 2.0)

    def near(self, row: np.ndarray, before: np.ndarray) -> None:
        values = row[self.at]
        if values.dot(before[self.at]) < 0.0:
            row[self.at] = -values


@dataclass(frozen=True, eq=False)
class PartOfQuaternion(Rotation):
    """The last parts of a quaternion whose first ones are zero, such as z and w of a yaw."""

    def read(self, values: np.ndarray) -> np.ndarray:
        missing = [(0, 0)] * (values.ndim - 1) + [(4 - len(self.columns), 0)]
        return np.pad(values, missing)

    def write(self, quaternions: np.ndarray) -> np.ndarray:
        return quaternions[..., 4 - len(self.columns) :]

    def normal(self, values: np.ndarray) -> np.ndarray:
        return self.write(geometry.unit(self.read(values)))

    def near(self, row: np.ndarray, before: np.ndarray) -> None:
        if row[self.at].dot(before[self.at]) < 0.0:
            row[self.at] = -row[self.at]


@dataclass(frozen=True, eq=False)
class Rotation6d(Rotation):
    """The first two columns of a rotation matrix, one after the other (Zhou et al. 2019)."""

    def read(self, values: np.ndarray) -> np.ndarray:
        return geometry.from_6d(values)

    def write(self, quaternions: np.ndarray) -> np.ndarray:
        return geometry.to_6d(quaternions)

    def normal(self, values: np.ndarray) -> np.ndarray:
        return self.write(self.read(values))


@dataclass(frozen=True, eq=False)
class RotationVector(Rotation):
    """Axis times angle, in rad."""

    def read(self, values: np.ndarray) -> np.ndarray:
        return geometry.from_rotation_vector(values)

    def write(self, quaternions: np.ndarray) -> np.ndarray:
        return geometry.to_rotation_vector(quaternions)


@dataclass(frozen=True, eq=False)
class Rpy(Rotation):
    """Roll, pitch and yaw in rad, written near to what was before, as `Angles` are."""

    angles: Angles = Angles((0, 1, 2), ())

    def read(self, values: np.ndarray) -> np.ndarray:
        return geometry.from_rpy(values)

    def write(self, quaternions: np.ndarray) -> np.ndarray:
        return geometry.to_rpy(quaternions)

    def held_to(self, lower: np.ndarray, upper: np.ndarray, most: np.ndarray) -> Group:
        angles = self.angles.held_to(lower[self.at], upper[self.at], most[self.at])
        return replace(super().held_to(lower, upper, most), angles=angles)

    @property
    def limitable(self) -> bool:
        return True

    @property
    def centres(self) -> bool:
        return self.angles.centres

    def centred(self, values: np.ndarray) -> np.ndarray:
        return self.angles.centred(values)

    def near(self, row: np.ndarray, before: np.ndarray) -> None:
        """Roll and yaw half a turn further, and pitch from the other side, are the same."""
        values, last = row[self.at], before[self.at]
        ways = values, np.array([values[0] + np.pi, np.pi - values[1], values[2] + np.pi])
        written = [self.angles.written(way, last) for way in ways]
        row[self.at] = min(written, key=lambda way: float(np.abs(way - last).sum()))


FORMS: dict[str, tuple[Callable[..., Rotation], int]] = {
    "quaternion": (Quaternion, 4),
    "rotation_6d": (Rotation6d, 6),
    "rotation_vector": (RotationVector, 3),
    "rpy": (Rpy, 3),
}


def _between(a: np.ndarray, b: np.ndarray, share: Any) -> np.ndarray:
    """Quaternions (..., 4) at shares, a float or (..., 1), of the way from some to others."""
    shares = np.broadcast_to(share, (*a.shape[:-1], 1)).reshape(-1).tolist()
    pairs = zip(a.reshape(-1, 4).tolist(), b.reshape(-1, 4).tolist(), shares)
    return np.array([geometry.slerp(*pair) for pair in pairs]).reshape(a.shape)
