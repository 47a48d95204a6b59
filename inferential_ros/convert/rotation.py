"""The key `rotation`: the form in which the model gets a rotation. Formulae in geometry.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from inferential_ros import geometry
from inferential_ros.convert.fields import Leaf
from inferential_ros.convert.registry import InputError
from inferential_ros.options.errors import ContractError
from inferential_ros.options.yaml_values import Section, names, one_of

QUATERNION = "quaternion"  # x, y, z, w
W_FIRST = "quaternion_wxyz"  # as simulators have it, and some robots
Change = Callable[[np.ndarray], np.ndarray]
# form -> (how many numbers, to a quaternion, from one)
FORMS: dict[str, tuple[int, Change, Change]] = {
    QUATERNION: (4, geometry.unit, lambda quaternion: quaternion),
    W_FIRST: (
        4,
        lambda values: geometry.unit(np.roll(values, -1)),
        lambda quaternion: np.roll(quaternion, 1),
    ),
    "rpy": (3, geometry.from_rpy, geometry.to_rpy),
    "rotation_vector": (3, geometry.from_rotation_vector, geometry.to_rotation_vector),
    "rotation_6d": (6, geometry.from_6d, geometry.to_6d),
}


class Rotations:
    """Rotations among the numbers of a vector, each replaced by another form of it.

    starts: index of the first number of each, in the vector as it is read.
    """

    warnings: tuple[str, ...] = ()  # of what may be meant otherwise

    def __init__(self, starts: list[int], source: str, target: str, size: int, path: str) -> None:
        self.starts = starts
        self.target = target
        self._width, self._to_quaternion, _ = FORMS[source]
        width, _, self._from_quaternion = FORMS[target]
        self._growth = width - self._width
        self.size = size + len(starts) * self._growth
        self._path = path

    def place(self, index: int) -> int:
        """Where a number is afterwards that is none of a rotation, or the first of one."""
        return index + self._growth * sum(start < index for start in self.starts)

    def within(self, index: int) -> bool:
        """Whether a number is one of a rotation."""
        return any(start <= index < start + self._width for start in self.starts)

    def __call__(self, vector: np.ndarray) -> np.ndarray:
        """The vector with its rotations in the other form; InputError for what is none."""
        parts, begun = [], 0
        for start in self.starts:
            end = start + self._width
            parts += [vector[begun:start], self.changed(vector[start:end])]
            begun = end
        return np.concatenate([*parts, vector[begun:]])

    def changed(self, rotation: np.ndarray) -> np.ndarray:
        """A rotation in the other representation; shapes (..., n) to (..., m).

        Raises InputError, which names the key, for numbers that are no rotation.
        """
        try:
            return self._from_quaternion(self._to_quaternion(rotation))
        except geometry.NoRotation as error:
            raise InputError(self._path, f"is no rotation: {error}") from None


def read_rotation(
    section: Section, groups: list[list[Leaf]], selected: tuple[str, ...]
) -> Rotations | None:
    """What the key `rotation` says of the selected fields; None where it says nothing.

    A form: every quaternion of geometry_msgs is given in it. A mapping of `of`, `from` and `to`:
    the fields `of`, one after the other in `select`, are a rotation in the form `from`.
    """
    if not section.has("rotation"):
        return None
    path = section.at("rotation")
    counts = [[leaf.count for leaf in group] for group in groups]
    if any(count is None for group in counts for count in group):
        raise ContractError(path, "the other fields need a size of their own, as ranges[0:8] has")
    sizes = [sum(count or 0 for count in group) for group in counts]
    for key in ("unit", "scale", "offset"):
        if section.has(key) and not isinstance(section.get(key, lambda value, _: value), dict):
            raise ContractError(
                section.at(key), "would change the rotation, too: give it by field"
            )
    value = section.get("rotation", lambda value, _: value)
    if isinstance(value, str):
        target = one_of(*FORMS)(value, path)
        leaves = [leaf for group in groups for leaf in group]
        starts = quaternions_among(leaves)
        if not starts:
            raise ContractError(
                path, "no quaternion of geometry_msgs is selected: give of, from and to"
            )
        return Rotations(starts, QUATERNION, target, sum(sizes), path)
    declared = Section(value, path)
    declared.only("of", "from", "to")
    fields = declared.get("of", names)
    source = declared.get("from", one_of(*FORMS))
    target = declared.get("to", one_of(*FORMS))
    for index, field in enumerate(fields):
        one_of(*selected)(field, f"{declared.at('of')}[{index}]")
    first = selected.index(fields[0])
    width = sum(sizes[first : first + len(fields)])
    if selected[first : first + len(fields)] != fields or width != FORMS[source][0]:
        raise ContractError(
            declared.at("of"),
            f"a rotation as {source} is {FORMS[source][0]} numbers one after the other in select,"
            f" not {', '.join(fields)}",
        )
    found = Rotations([sum(sizes[:first])], source, target, sum(sizes), path)
    if source == QUATERNION and not all(leaf.scalar for leaf in groups[first]):
        found.warnings = (
            f"{fields[0]!r} is read as x, y, z, w; arrays of some packages, such as unitree_hg and"
            f" px4_msgs, begin with w: {W_FIRST} reads those",
        )
    return found


def quaternions_among(leaves: Sequence[Leaf]) -> list[int]:
    """Where each quaternion begins, in the vector of all leaves."""
    starts, at, index = [], 0, 0
    while index < len(leaves):
        if leaves[index].rotation:
            starts.append(at)
            at, index = at + 4, index + 4
        else:
            at, index = at + (leaves[index].count or 0), index + 1
    return starts
