"""Rotations and angles as numbers: conversions between the usual forms, and the way between two.

Pure numpy. A quaternion is (x, y, z, w), as in geometry_msgs, and has length 1 where nothing else
is said; arrays hold one in their last axis. q and -q are the same rotation. Angles are radians.
Formulae: J. Diebel, "Representing Attitude: Euler Angles, Unit Quaternions, and Rotation
Vectors", 2006, unless a function names another source.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

TURN = 2.0 * math.pi
IDENTITY = (0.0, 0.0, 0.0, 1.0)
SHORTEST = 0.5  # a quaternion or an axis below this length tells nothing of a direction
NEARLY_ONE = 1.0 - 1e-9  # cosine of angles for which sin(x) / x is 1 in double precision


class NoRotation(ValueError):
    """Numbers that are far from any rotation. `row` is the first of them that is."""

    def __init__(self, row: int, problem: str) -> None:
        super().__init__(problem)
        self.row = row


def wrapped(angles: np.ndarray, turn: float | np.ndarray = TURN) -> np.ndarray:
    """Angles (...) without whole turns, in [-turn / 2, turn / 2]."""
    return angles - turn * np.round(angles / turn)


# --- quaternions ---


def unit(quaternions: np.ndarray) -> np.ndarray:
    """Quaternions (..., 4) at length 1; NoRotation below a length of 0.5 or where not finite."""
    values = np.asarray(quaternions, dtype=np.float64)
    lengths = np.sqrt((values * values).sum(axis=-1, keepdims=True))
    good = np.isfinite(lengths) & (lengths >= SHORTEST)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise NoRotation(row, f"a quaternion of length {lengths.reshape(-1)[row]:.3g}")
    return values / lengths


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a * b (..., 4): the rotation b first, then a."""
    ax, ay, az, aw = np.moveaxis(np.asarray(a), -1, 0)
    bx, by, bz, bw = np.moveaxis(np.asarray(b), -1, 0)
    return np.stack(
        [
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
            aw * bw - ax * bx - ay * by - az * bz,
        ],
        axis=-1,
    )


def inverse(quaternions: np.ndarray) -> np.ndarray:
    """The opposite rotations (..., 4)."""
    return np.asarray(quaternions) * np.array([-1.0, -1.0, -1.0, 1.0])


def rotate(quaternion: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """A vector (3,) turned by a unit quaternion (4,)."""
    around, real = quaternion[:3], quaternion[3]
    across = 2.0 * np.cross(around, vector)
    turned: np.ndarray = vector + real * across + np.cross(around, across)
    return turned


def slerp(a: Sequence[float], b: Sequence[float], share: float) -> list[float]:
    """The rotation on the shorter way from a (4,) to b (4,); beyond them for other shares.

    Shoemake, "Animating Rotation with Quaternion Curves", SIGGRAPH 1985. In plain floats: for
    four numbers numpy takes five times as long.
    """
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    dot = ax * bx + ay * by + az * bz + aw * bw
    sign = 1.0
    if dot < 0.0:
        dot, sign = -dot, -1.0
    if dot > NEARLY_ONE:
        of_a = 1.0 - share
        length = math.sqrt(of_a * of_a + share * share + 2.0 * of_a * share * dot)
        of_a, of_b = of_a / length, sign * share / length
    else:
        angle = math.acos(dot)
        sine = math.sqrt(1.0 - dot * dot)
        of_a = math.sin((1.0 - share) * angle) / sine
        of_b = sign * math.sin(share * angle) / sine
    return [
        of_a * ax + of_b * bx,
        of_a * ay + of_b * by,
        of_a * az + of_b * bz,
        of_a * aw + of_b * bw,
    ]


def angle_between(a: Sequence[float], b: Sequence[float]) -> float:
    """How far two rotations (4,) are apart, 0 to pi."""
    apart = math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b)))
    along = math.sqrt(sum((x + y) ** 2 for x, y in zip(a, b)))
    return 4.0 * math.atan2(min(apart, along), max(apart, along))


def mean_rotation(quaternions: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted mean (4,) of rotations (m, 4), each with the sign of the last one.

    The normalised sum, which is the mean of Markley et al., "Averaging Quaternions", Journal of
    Guidance, Control, and Dynamics 30(4), 2007, for rotations that are near each other. It is
    never of length 0: every part of the sum points to the side of the last one.
    """
    signs = np.where(quaternions @ quaternions[-1] < 0.0, -1.0, 1.0)
    total = (weights * signs) @ quaternions
    return total / math.sqrt(total @ total)


# --- other forms ---


def from_rpy(angles: np.ndarray) -> np.ndarray:
    """Roll, pitch, yaw (..., 3) about the fixed x, y and z (REP 103) -> quaternions (..., 4)."""
    half = np.asarray(angles, dtype=np.float64) / 2.0
    (sr, sp, sy), (cr, cp, cy) = np.moveaxis(np.sin(half), -1, 0), np.moveaxis(np.cos(half), -1, 0)
    return np.stack(
        [
            sr * cp * cy - cr * sp * sy,
            cr * sp * cy + sr * cp * sy,
            cr * cp * sy - sr * sp * cy,
            cr * cp * cy + sr * sp * sy,
        ],
        axis=-1,
    )


def to_rpy(quaternions: np.ndarray) -> np.ndarray:
    """Quaternions (..., 4) -> roll, pitch, yaw (..., 3), pitch in [-pi/2, pi/2].

    Where pitch is a right angle, roll and yaw turn about the same axis: roll is 0 there.
    """
    x, y, z, w = np.moveaxis(np.asarray(quaternions, dtype=np.float64), -1, 0)
    sine = np.clip(2.0 * (w * y - z * x), -1.0, 1.0)
    upright = np.abs(sine) > 1.0 - 1e-12
    roll = np.arctan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
    yaw = np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
    alone = np.arctan2(2.0 * (w * z - x * y), 1.0 - 2.0 * (x * x + z * z))
    return np.stack(
        [np.where(upright, 0.0, roll), np.arcsin(sine), np.where(upright, alone, yaw)], axis=-1
    )


def from_rotation_vector(vectors: np.ndarray) -> np.ndarray:
    """Axis times angle (..., 3) -> quaternions (..., 4)."""
    vectors = np.asarray(vectors, dtype=np.float64)
    angles = np.sqrt((vectors * vectors).sum(axis=-1, keepdims=True))
    return np.concatenate([0.5 * np.sinc(angles / TURN) * vectors, np.cos(angles / 2.0)], axis=-1)


def to_rotation_vector(quaternions: np.ndarray) -> np.ndarray:
    """Quaternions (..., 4) -> axis times angle (..., 3), the angle at most pi."""
    values = np.asarray(quaternions, dtype=np.float64)
    values = np.where(values[..., 3:] < 0.0, -values, values)
    sines = np.sqrt((values[..., :3] ** 2).sum(axis=-1, keepdims=True))
    angles = 2.0 * np.arctan2(sines, values[..., 3:])
    return values[..., :3] * np.where(sines < 1e-12, 2.0, angles / np.maximum(sines, 1e-12))


def to_matrix(quaternions: np.ndarray) -> np.ndarray:
    """Quaternions (..., 4) -> rotation matrices (..., 3, 3)."""
    x, y, z, w = np.moveaxis(np.asarray(quaternions, dtype=np.float64), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def from_matrix(matrices: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) -> quaternions (..., 4).

    Of the four ways to divide, the one by the largest part: Bar-Itzhack, "New Method for
    Extracting the Quaternion from a Rotation Matrix", 2000, discusses why.
    """
    m = np.asarray(matrices, dtype=np.float64)
    diagonal = np.stack([m[..., i, i] for i in range(3)], axis=-1)
    trace = diagonal.sum(axis=-1)
    products = np.empty((*m.shape[:-2], 4, 4))  # 4 q q^T, of which every row is a multiple of q
    for i in range(3):
        products[..., i, i] = 1.0 + 2.0 * diagonal[..., i] - trace
        products[..., i, 3] = products[..., 3, i] = (
            m[..., (i + 2) % 3, (i + 1) % 3] - m[..., (i + 1) % 3, (i + 2) % 3]
        )
        for j in range(i):
            products[..., i, j] = products[..., j, i] = m[..., i, j] + m[..., j, i]
    products[..., 3, 3] = 1.0 + trace
    largest = np.argmax(np.diagonal(products, axis1=-2, axis2=-1), axis=-1)
    found = np.take_along_axis(products, largest[..., None, None], axis=-2)[..., 0, :]
    return found / np.sqrt((found * found).sum(axis=-1, keepdims=True))


def from_6d(values: np.ndarray) -> np.ndarray:
    """The first two columns of a rotation matrix, one after the other (..., 6) -> (..., 4).

    They are made orthogonal by Gram-Schmidt: Zhou et al., "On the Continuity of Rotation
    Representations in Neural Networks", CVPR 2019, equation 15. NoRotation where the columns are
    too short or nearly parallel.
    """
    pairs = np.asarray(values, dtype=np.float64)
    pairs = np.where(np.isfinite(pairs).all(axis=-1, keepdims=True), pairs, np.nan)
    first, second = pairs[..., :3], pairs[..., 3:]
    first = _direction(first, "a first column")
    across = second - (first * second).sum(axis=-1, keepdims=True) * first
    across = _direction(across, "a second column, beside the first, ")
    return from_matrix(np.stack([first, across, np.cross(first, across)], axis=-1))


def to_6d(quaternions: np.ndarray) -> np.ndarray:
    """Quaternions (..., 4) -> the first two columns of their matrices, in a row (..., 6)."""
    matrices = to_matrix(quaternions)
    return np.concatenate([matrices[..., 0], matrices[..., 1]], axis=-1)


def _direction(vectors: np.ndarray, what: str) -> np.ndarray:
    lengths = np.sqrt((vectors * vectors).sum(axis=-1, keepdims=True))
    good = np.isfinite(lengths) & (lengths >= SHORTEST)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise NoRotation(row, f"{what} of length {lengths.reshape(-1)[row]:.3g}")
    return vectors / lengths
