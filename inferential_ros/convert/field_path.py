"""The grammar of dotted paths into messages, such as `transforms[child_frame_id=tool0].transform`.

A step is a field's name, and in brackets what is taken of an array: an index, a slice, or the
element that is called something. `[NAME=VALUE]` compares a field of the elements, which may be
dotted (`header.frame_id`), or a list of names beside the array (`position[name=elbow]`). Several
conditions stand behind commas; a value with a comma or a bracket in it stands in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from inferential_ros.options.errors import ContractError

STEP = re.compile(r"([A-Za-z_]\w*)(?:\[(.*)\])?", re.DOTALL)
INDEX = re.compile(r"-?\d+")
SLICE = re.compile(r"(-?\d*):(-?\d*)")
CONDITION = re.compile(
    r"\s*([A-Za-z_][\w.]*)\s*=\s*(?:'([^']*)'|\"([^\"]*)\"|([^,'\"]*?))\s*(?:,|$)"
)


@dataclass(frozen=True)
class Named:
    """The element of an array for which all of these hold: (field, value as text)."""

    conditions: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return ", ".join(f"{field}={value}" for field, value in self.conditions)


Index = int | slice | Named | None


@dataclass(frozen=True)
class Step:
    """One field of a message, and what is taken of it where it is an array."""

    name: str
    index: Index = None


def parse_path(path: str, place: str) -> tuple[Step, ...]:
    """The steps of a path; ContractError at `place` if it is none."""
    return tuple(_step(text, path, place) for text in _split(path))


def _split(path: str) -> Iterator[str]:
    """The parts between the dots that are in no brackets."""
    depth, begun = 0, 0
    for at, character in enumerate(path):
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "." and depth <= 0:
            yield path[begun:at]
            begun = at + 1
    yield path[begun:]


def _step(text: str, path: str, place: str) -> Step:
    match = STEP.fullmatch(text)
    if match is None:
        raise ContractError(place, f"{path!r}: {text!r} is no field name")
    name, inside = match[1], match[2]
    if inside is None:
        return Step(name)
    if INDEX.fullmatch(inside):
        return Step(name, int(inside))
    bounds = SLICE.fullmatch(inside)
    if bounds:
        first, last = (int(bound) if bound.strip("-") else None for bound in bounds.groups())
        return Step(name, slice(first, last))
    conditions = _conditions(inside)
    if not conditions:
        raise ContractError(place, f"{path!r}: [{inside}] is no index, no slice and no name=value")
    return Step(name, Named(conditions))


def _conditions(text: str) -> tuple[tuple[str, str], ...]:
    found, at = [], 0
    while at < len(text):
        match = CONDITION.match(text, at)
        if match is None:
            return ()
        found.append((match[1], next(value for value in match.groups()[1:] if value is not None)))
        at = match.end()
    return tuple(found)
