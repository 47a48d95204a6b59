"""Dotted paths into messages, such as `pose.position.x`, `ranges[0:8]` or `wrench.force`.

A path is resolved against the message's type, so a wrong one is found before any message came.
One that ends at a message stands for all the numbers in it, in their order of declaration.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inferential_ros.contract.errors import ContractError, suggestion
from inferential_ros.contract.types import message_class

STEP = re.compile(r"([A-Za-z_]\w*)(?:\[(-?\d+)\]|\[(-?\d*):(-?\d*)\])?")
ARRAY = re.compile(
    r"(?:sequence<(?P<item>[^,>]+)(?:, *(?P<most>\d+))?>)|(?:(?P<fixed>[^\[]+)\[(?P<n>\d+)\])"
)
NUMBERS = {
    "float": "float32",
    "double": "float64",
    "long double": "float64",
    "boolean": "bool",
    "octet": "uint8",
    "char": "uint8",
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


@dataclass(frozen=True)
class Leaf:
    """One number, text, or array of numbers in a message."""

    path: str
    get: Callable[[Any], Any]
    dtype: str  # of numpy, or `string`
    count: int | None  # numbers it gives: None if the message decides
    scalar: bool
    indexed: bool  # there is an index in the path, so a message may be too short for it


Index = int | slice | None


def resolve(message: type[Any], path: str, place: str) -> list[Leaf]:
    """What a path leads to, at least one leaf; ContractError at `place` if there is nothing."""
    steps = path.split(".")
    kind: Any = message
    getters: list[tuple[str, Index]] = []
    for number, step in enumerate(steps):
        match = STEP.fullmatch(step)
        if match is None:
            raise ContractError(place, f"{path!r}: {step!r} is no field name")
        name, index = match[1], _index(match)
        fields = kind.get_fields_and_field_types()
        if name not in fields:
            hint = suggestion(name, fields)
            raise ContractError(place, f"{kind.__name__} has no field {name!r}; {hint}")
        getters.append((name, index))
        array = ARRAY.fullmatch(fields[name])
        item = (array["item"] or array["fixed"]) if array else fields[name]
        if index is not None and array is None:
            raise ContractError(place, f"{path!r}: {name!r} is no array")
        if number == len(steps) - 1:
            return _end(path, place, getters, item, array, index)
        if array and not isinstance(index, int):
            raise ContractError(place, f"{path!r}: {name!r} is an array; name one, as {name}[0]")
        if _is_plain(item):
            raise ContractError(place, f"{path!r}: {name!r} is a {item} and has no fields")
        kind = message_of(item, place)
    raise AssertionError("a path has at least one step")


def _end(
    path: str,
    place: str,
    getters: list[tuple[str, Index]],
    item: str,
    array: re.Match[str] | None,
    index: Index,
) -> list[Leaf]:
    many = array is not None and not isinstance(index, int)
    indexed = any(given is not None for _, given in getters)
    if _is_plain(item):
        dtype = "string" if item.startswith(("string", "wstring")) else NUMBERS[item]
        count = _count(array, index) if many else 1
        return [Leaf(path, _getter(getters), dtype, count, not many, indexed)]
    if many:
        raise ContractError(place, f"{path!r} is an array of {item}; name one, as {path}[0]")
    found = []
    nested = message_of(item, place)
    for name, kind in nested.get_fields_and_field_types().items():
        if kind != "std_msgs/Header" and not kind.startswith(("string", "sequence<string")):
            inner = resolve(nested, name, place)
            outer = _getter(getters)
            found += [
                Leaf(
                    f"{path}.{leaf.path}",
                    _chain(outer, leaf.get)
                    if indexed
                    else operator.attrgetter(f"{path}.{leaf.path}"),
                    leaf.dtype,
                    leaf.count,
                    leaf.scalar,
                    indexed,
                )
                for leaf in inner
            ]
    if not found:
        raise ContractError(place, f"{path!r}: there are no numbers in a {item}")
    return found


def _count(array: re.Match[str] | None, index: Index) -> int | None:
    size = int(array["n"]) if array and array["n"] else None
    if isinstance(index, slice):
        if size is not None:
            return len(range(size)[index])
        first, last = index.start or 0, index.stop
        same_side = last is not None and (first >= 0) == (last >= 0)
        return max(0, last - first) if same_side and last is not None else None
    return size


def _index(match: re.Match[str]) -> Index:
    if match[2] is not None:
        return int(match[2])
    if match[3] is not None:
        return slice(int(match[3]) if match[3] else None, int(match[4]) if match[4] else None)
    return None


def _getter(steps: list[tuple[str, Index]]) -> Callable[[Any], Any]:
    if all(index is None for _, index in steps):
        return operator.attrgetter(".".join(name for name, _ in steps))

    def get(message: Any) -> Any:
        for name, index in steps:
            message = getattr(message, name)
            if index is not None:
                message = message[index]
        return message

    return get


def _chain(first: Callable[[Any], Any], then: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda message: then(first(message))


def _is_plain(kind: str) -> bool:
    return kind in NUMBERS or kind.startswith(("string", "wstring"))


def message_of(kind: str, place: str) -> type[Any]:
    """The class of a field's type; ContractError at `place` where it cannot be imported."""
    package, _, name = kind.partition("/")
    return message_class(f"{package}/msg/{name.removeprefix('msg/')}", place)
