"""The key `relative` of `action`: columns that a model gives relative to the observed state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from inferential_ros.contract.geometry import conversion_of
from inferential_ros.contract.schema import DROP, Action, ObservationKey
from inferential_ros.convert.registry import Located, located
from inferential_ros.convert.rotation import QUATERNION, W_FIRST
from inferential_ros.execution.channel import POSITION
from inferential_ros.execution.relative import Relative, RelativeNumber, RelativeRotation
from inferential_ros.execution.rotations import FORMS, Rotation
from inferential_ros.options.errors import ContractError, suggestion
from inferential_ros.options.yaml_values import Section, known_names, text

Named = Sequence[tuple[str, str | None, str]]  # column, the element it is relative to, path


def read_relative(section: Section, columns: tuple[str, ...]) -> Named:
    """The columns, with the element of the observation that each names; None: by its own name."""
    return section.get("relative", lambda value, path: tuple(_named(value, path, columns)), ())


def _named(
    value: Any, path: str, columns: tuple[str, ...]
) -> Iterator[tuple[str, str | None, str]]:
    if isinstance(value, Mapping):
        for column, element, place in Section(value, path).items():
            if column not in columns:
                raise ContractError(
                    place, f"no action {column!r} in action.names; {suggestion(column, columns)}"
                )
            yield column, text(element, place), place
    else:
        for index, column in enumerate(known_names(columns)(value, path)):
            yield column, None, f"{path}[{index}]"


class _Element(NamedTuple):
    """A number or a rotation of an observation: its key, its names, and where it is in the key."""

    key: str
    name: str
    full_name: str
    place: Located


def resolve_relative(
    named: Named, action: Action, keys: Sequence[ObservationKey]
) -> tuple[Relative, ...]:
    """Where in the observation each column's state is; ContractError where that is not known.

    A rotation is relative as a whole, whichever of its columns are named.
    """
    elements = list(_elements(keys))
    numbers = [element for element in elements if not element.place.form]
    turns = [element for element in elements if element.place.form]
    rotations = {
        column: group
        for group in action.execution.geometry
        if isinstance(group, Rotation)
        for column in group.columns
    }
    found: dict[tuple[int, ...], Relative] = {}
    for column, wanted, path in named:
        index = action.names.index(column)
        _check(index, action, path)
        if index in rotations:
            group = rotations[index]
            relative = _rotation(column, _chosen(column, wanted, path, turns), group)
            if found.setdefault(group.columns, relative).key != relative.key:
                raise ContractError(path, "the same rotation is relative to another key already")
        else:
            number = _chosen(column, wanted or column, path, numbers)
            found[index,] = _number(column, number, action, path)
    return tuple(found.values())


def _elements(keys: Sequence[ObservationKey]) -> Iterator[_Element]:
    for key in keys:
        if key.align != DROP:  # of which the state may be missing
            for name, place in located(key.join if key.parts else key.decode).items():
                full_name = f"{key.name}.{name}".replace(".[", "[")  # a part: arms[1].elbow
                yield _Element(key.name, name, full_name, place)


def _chosen(column: str, wanted: str | None, path: str, elements: Sequence[_Element]) -> _Element:
    """The element that is called so, or the only one; ContractError where there are others."""
    matching = {
        (element.key, element.place): element
        for element in elements
        if wanted is None or wanted in (element.name, element.full_name)
    }
    what = "a rotation" if wanted is None else f"an element {wanted!r}"
    if not matching:
        known = [name for e in elements for name in (e.name, e.full_name) if name[0] != "["]
        hint = f"; {suggestion(wanted, known)}" if wanted is not None else ""
        raise ContractError(path, f"no key of the observation has {what}{hint}")
    if len(matching) > 1:
        choices = ", ".join(f"{column}: {element.full_name}" for element in matching.values())
        raise ContractError(path, f"several keys have {what}: write {{{choices}}}, one of them")
    (element,) = matching.values()
    return element


def _check(column: int, action: Action, path: str) -> None:
    name = action.names[column]
    if column in action.execution.discrete:
        raise ContractError(path, f"{name!r} is discrete, and has no state to be added to")
    for output in action.outputs:
        if column in output.columns and output.kind != POSITION:
            raise ContractError(path, f"{name!r} goes to {output.path} as a {output.kind}")


def _rotation(column: str, element: _Element, rotation: Rotation) -> Relative:
    form = element.place.form
    make, width = FORMS[QUATERNION if form == W_FIRST else form]
    columns = tuple(range(element.place.index, element.place.index + width))
    if form == W_FIRST:
        columns = (*columns[1:], columns[0])
    return RelativeRotation(column, element.key, rotation, make(columns, (element.full_name,)))


def _number(column: str, element: _Element, action: Action, path: str) -> Relative:
    index, place = action.names.index(column), element.place
    gain, offset = _of_action(index, action, path)
    return RelativeNumber(
        column,
        element.key,
        index,
        place.index,
        1.0 / (place.gain * gain),
        (-place.offset / place.gain - offset) / gain,
    )


def _of_action(column: int, action: Action, path: str) -> tuple[float, float]:
    """The conversion of a column to its messages, which all have to have the same."""
    conversions = set()
    for output in action.outputs:
        if column in output.columns:
            place = output.columns.index(column)
            conversion = conversion_of(output)
            conversions.add((float(conversion.gain[place]), float(conversion.offset[place])))
    if len(conversions) > 1:
        raise ContractError(
            path, f"{action.names[column]!r} goes to outputs with different units or offsets"
        )
    return conversions.pop() if conversions else (1.0, 0.0)
