"""The keys of `action` that declare angles and rotations among the columns.

`continuous` names angles without ends; `quaternion`, `rotation_6d`, `rotation_vector` and `rpy`
name the columns of a rotation, or of several rotations in a list. Fields of a geometry_msgs
quaternion need no declaration.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from inferential_ros.contract.schema import Output
from inferential_ros.execution.channel import POSITION
from inferential_ros.execution.geometry import Angles, Group
from inferential_ros.execution.rotations import FORMS, PartOfQuaternion, Quaternion, Rotation
from inferential_ros.options.errors import ContractError
from inferential_ros.options.units import Conversion
from inferential_ros.options.yaml_values import Section, known_names, sequence

CONTINUOUS = "continuous"
KEYS = (CONTINUOUS, *FORMS)


@dataclass(frozen=True)
class Geometry:
    """What the `action` section declares: columns of the chunk, with the key that names them."""

    columns: tuple[str, ...]
    continuous: tuple[int, ...] = ()
    rotations: tuple[Rotation, ...] = ()
    paths: tuple[str, ...] = ()  # of the keys, one for each rotation
    continuous_path: str = ""

    def rotations_of(self, chosen: Sequence[int], place: str) -> tuple[Rotation, ...]:
        """The rotations among the columns of an output, by index there; never a part of one."""
        found = []
        for rotation in self.rotations:
            missing = [self.columns[c] for c in rotation.columns if c not in chosen]
            if len(missing) == len(rotation.columns):
                continue
            if missing:
                raise ContractError(
                    place,
                    f"{', '.join(rotation.names)} are one rotation: select"
                    f" {', '.join(missing)} too, or none of them",
                )
            found.append(replace(rotation, columns=tuple(map(chosen.index, rotation.columns))))
        return tuple(found)


def read_geometry(section: Section, columns: tuple[str, ...], discrete: Sequence[int]) -> Geometry:
    """What is declared; ContractError where a column is two things at once."""
    continuous = section.get(CONTINUOUS, known_names(columns), ())
    taken = {columns[index]: section.at("discrete") for index in discrete}
    _take(continuous, section.at(CONTINUOUS), taken)
    rotations, paths = [], []
    for form, (make, size) in FORMS.items():
        for names, path in _lists(section, form, columns):
            if len(names) != size:
                raise ContractError(path, f"a {form} has {size} columns, not {len(names)}")
            _take(names, path, taken)
            rotations.append(make(tuple(map(columns.index, names)), names))
            paths.append(path)
    return Geometry(
        columns,
        tuple(map(columns.index, continuous)),
        tuple(rotations),
        tuple(paths),
        section.at(CONTINUOUS),
    )


def groups_of(
    geometry: Geometry, outputs: Sequence[Output], discrete: Sequence[int]
) -> tuple[Group, ...]:
    """All groups of a plan: those declared, and the quaternions that outputs know of."""
    turns = {column: _turn(geometry, column, outputs) for column in geometry.continuous}
    groups: list[Group] = []
    if turns:
        names = tuple(geometry.columns[column] for column in turns)
        groups.append(Angles(tuple(turns), names, turns=np.array(list(turns.values()))))
    for rotation, path in zip(geometry.rotations, geometry.paths):
        _check_units(rotation, path, outputs)
        groups.append(rotation)
    for output in outputs:
        groups += _known(geometry, output, discrete, groups)
    return tuple(groups)


def _lists(
    section: Section, form: str, columns: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """The columns of each rotation of a form: one list of names, or a list of such lists."""
    if not section.has(form):
        return
    path = section.at(form)
    given = section.get(form, sequence)
    if not any(isinstance(item, list) for item in given):
        yield known_names(columns)(given, path), path
        return
    for index, item in enumerate(given):
        yield known_names(columns)(item, f"{path}[{index}]"), f"{path}[{index}]"


def _take(names: Sequence[str], path: str, taken: dict[str, str]) -> None:
    for name in names:
        if name in taken:
            raise ContractError(path, f"{name!r} is part of {taken[name]} already")
        taken[name] = path


def _turn(geometry: Geometry, column: int, outputs: Sequence[Output]) -> float:
    """A whole turn in the units of a column, which are those of the outputs that it goes to."""
    turns = set()
    for output in outputs:
        if column in output.columns:
            if output.kind != POSITION:
                raise ContractError(
                    geometry.continuous_path,
                    f"{geometry.columns[column]!r} goes to {output.path} as a {output.kind}, which"
                    " is no angle",
                )
            turns.add(float(conversion_of(output).turns[output.columns.index(column)]))
    if math.inf in turns:
        raise ContractError(
            geometry.continuous_path, f"{geometry.columns[column]!r} has a unit of length"
        )
    if len(turns) > 1:
        raise ContractError(
            geometry.continuous_path,
            f"{geometry.columns[column]!r} goes to outputs with different units: a whole turn is "
            + " and ".join(f"{turn:g}" for turn in sorted(turns)),
        )
    return turns.pop() if turns else 2.0 * math.pi


def _check_units(rotation: Rotation, path: str, outputs: Sequence[Output]) -> None:
    for output in outputs:
        if not set(rotation.columns) & set(output.columns):
            continue
        if output.kind != POSITION:
            raise ContractError(path, f"goes to {output.path} as a {output.kind}: no rotation")
        for column, name in zip(rotation.columns, rotation.names):
            place = output.columns.index(column)
            if conversion_of(output).gain[place] != 1.0 or conversion_of(output).offset[place]:
                raise ContractError(
                    path, f"{name!r} is part of a rotation; take unit, scale and offset from it"
                )


def _known(
    geometry: Geometry, output: Output, discrete: Sequence[int], groups: Sequence[Group]
) -> Iterator[Group]:
    """The quaternions that the fields of an output are by themselves."""
    for places in output.quaternions if output.kind == POSITION else ():
        columns = tuple(output.columns[place] for place in places)
        names = tuple(geometry.columns[column] for column in columns)
        path = f"{output.path}.fields"
        if set(columns) & set(discrete):
            raise ContractError(
                path, f"{', '.join(names)} are a quaternion, which cannot be discrete"
            )
        same = [group for group in groups if set(group.columns) & set(columns)]
        if any(isinstance(group, Quaternion) and group.columns == columns for group in same):
            continue
        if same:
            raise ContractError(
                path,
                f"{', '.join(names)} go to a quaternion, x to w, but {', '.join(same[0].names)}"
                " are declared to be something else",
            )
        group = (Quaternion if len(columns) == 4 else PartOfQuaternion)(columns, names)
        _check_units(group, path, [output])
        yield group


def conversion_of(output: Output) -> Conversion:
    """From the units of an output's actions to its message's."""
    assert output.conversion is not None
    return output.conversion
