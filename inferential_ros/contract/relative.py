"""The key `relative` of `action`: columns that a model gives relative to the observed state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from inferential_ros.contract.geometry import conversion_of
from inferential_ros.contract.schema import DROP, Action, ObservationKey, RelativeTo
from inferential_ros.convert.registry import Located, located
from inferential_ros.execution.channel import POSITION
from inferential_ros.execution.rotations import Rotation
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


def resolve_relative(
    named: Named, action: Action, keys: Sequence[ObservationKey]
) -> tuple[RelativeTo, ...]:
    """Where in the observation each column's state is; ContractError where that is not known."""
    elements: dict[str, list[tuple[str, Located]]] = {}
    for key in keys:
        if key.align == DROP:
            continue  # the state may be missing
        for name, place in located(key.decode).items():
            elements.setdefault(name, []).append((key.name, place))
            elements.setdefault(f"{key.name}.{name}", []).append((key.name, place))
    found = []
    for column, element, path in named:
        wanted = element or column
        index = action.names.index(column)
        _check(index, action, path)
        if wanted not in elements:
            raise ContractError(
                path,
                f"no key of the observation has an element {wanted!r};"
                f" {suggestion(wanted, elements)}",
            )
        if len(elements[wanted]) > 1:
            choices = ", ".join(f"{column}: {key}.{wanted}" for key, _ in elements[wanted])
            raise ContractError(
                path, f"several keys have an element {wanted!r}: write {{{choices}}}, one of them"
            )
        key_name, place = elements[wanted][0]
        gain, offset = _of_action(index, action, path)
        found.append(
            RelativeTo(
                index,
                key_name,
                place.index,
                1.0 / (place.gain * gain),
                (-place.offset / place.gain - offset) / gain,
            )
        )
    return tuple(found)


def _check(column: int, action: Action, path: str) -> None:
    name = action.names[column]
    for group in action.execution.geometry:
        if isinstance(group, Rotation) and column in group.columns:
            raise ContractError(
                path, f"{name!r} is part of a rotation, to which no state can be added"
            )
    if column in action.execution.discrete:
        raise ContractError(path, f"{name!r} is discrete, and has no state to be added to")
    for output in action.outputs:
        if column in output.columns and output.kind != POSITION:
            raise ContractError(path, f"{name!r} goes to {output.path} as a {output.kind}")


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
