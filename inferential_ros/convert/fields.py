"""Dotted paths into messages, such as `pose.position.x`, `ranges[0:8]` or `motor_state[0:12].q`.

A path (field_path.py has the grammar) is resolved against the message's type, so a wrong one is
found before any message came. One that ends at a message stands for all the numbers in it, in
their order of declaration.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from inferential_ros.convert.field_path import Index, Named, Step, parse_path
from inferential_ros.convert.named import (
    by_place,
    finder_among,
    finder_of,
    list_of_names,
    names_of,
)
from inferential_ros.options.errors import ContractError, suggestion
from inferential_ros.options.types import message_class

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
Get = Callable[[Any], Any]


@dataclass(frozen=True)
class Leaf:
    """One number, text, or array of numbers in a message."""

    path: str
    get: Get
    dtype: str  # of numpy, or `string`
    count: int | None  # numbers it gives: None if the message decides
    scalar: bool
    indexed: bool  # more than attributes leads to it: a message may be too short for an index
    named: bool = False  # an element is found by its name, so a message may be without it
    warning: str = ""  # what may be meant otherwise
    rotation: bool = False  # one of the four numbers of a quaternion of geometry_msgs, in a row


def resolve(message: type[Any], path: str, place: str) -> list[Leaf]:
    """What a path leads to, at least one leaf; ContractError at `place` if there is nothing."""
    return _resolve(message, parse_path(path, place), path, place)


def _resolve(message: type[Any], steps: Sequence[Step], path: str, place: str) -> list[Leaf]:
    """The leaves behind some steps of a path, with getters that begin at `message`."""
    step, rest = steps[0], steps[1:]
    fields = message.get_fields_and_field_types()
    if step.name not in fields:
        hint = suggestion(step.name, fields)
        raise ContractError(place, f"{message.__name__} has no field {step.name!r}; {hint}")
    array = ARRAY.fullmatch(fields[step.name])
    item = (array["item"] or array["fixed"]) if array else fields[step.name]
    if step.index is not None and array is None:
        raise ContractError(place, f"{path!r}: {step.name!r} is no array")
    try:
        found = _of_item(message, step, rest, item, array, path, place)
    except ContractError:
        by_name = _named_here(message, steps, path, place)
        if by_name is None:
            raise
        return [by_name]
    warning = _of_unnamed(message, step, item, path, place) if array else ""
    return [replace(leaf, warning=leaf.warning or warning) for leaf in found]


def _named_here(message: type[Any], steps: Sequence[Step], path: str, place: str) -> Leaf | None:
    """A number in a message below this one, which names it: `points[0].positions[joint=elbow]`."""
    *way, last = steps
    names = list_of_names(message, last)
    if not way or names is None:
        return None
    numbers, *more = _resolve(message, [*way, Step(last.name)], path, place)
    if more or numbers.dtype == "string" or numbers.scalar:
        return None
    get = finder_among(numbers.get, names, last)
    return Leaf(path, get, numbers.dtype, 1, True, True, named=True)


def _of_item(
    message: type[Any],
    step: Step,
    rest: Sequence[Step],
    item: str,
    array: re.Match[str] | None,
    path: str,
    place: str,
) -> list[Leaf]:
    index = step.index
    named = isinstance(index, Named)
    get, more = _getter(message, step, item, path, place)
    left = [*more, *rest]
    many = array is not None and (index is None or isinstance(index, slice))
    indexed = index is not None
    if many and _count(array, index) == 0:
        raise ContractError(place, f"{path!r}: {_told(step)} takes nothing")
    if array is not None:
        _check_within(array, step, path, place)
    if _is_plain(item):
        if left:
            raise ContractError(place, f"{path!r}: {step.name!r} is a {item} and has no fields")
        dtype = "string" if item.startswith(("string", "wstring")) else NUMBERS[item]
        count = _count(array, index) if many else 1
        if item == "octet":
            get = _chain(get, octets)
        return [Leaf(_told(step), get, dtype, count, not many, indexed or item == "octet", named)]
    if many and index is None:
        raise ContractError(
            place, f"{path!r}: {step.name!r} is an array of {item}; name one, as {step.name}[0]"
        )
    nested = message_of(item, place)
    leaves = _resolve(nested, left, path, place) if left else _numbers(nested, path, place)
    if isinstance(index, slice):
        return [_of_each(step, get, leaves, _count(array, index), place)]
    return [_behind(step, get, leaf) for leaf in leaves]


def _numbers(nested: type[Any], path: str, place: str) -> list[Leaf]:
    """All the numbers of a message, in their order of declaration."""
    found = [
        leaf
        for name, kind in nested.get_fields_and_field_types().items()
        if kind != "std_msgs/Header" and not kind.startswith(("string", "sequence<string"))
        for leaf in _resolve(nested, [Step(name)], name, place)
    ]
    if not found:
        raise ContractError(place, f"{path!r}: there are no numbers in a {nested.__name__}")
    if nested.__name__ == "Quaternion":
        return [replace(leaf, rotation=True) for leaf in found]
    return found


def _behind(step: Step, get: Get, leaf: Leaf) -> Leaf:
    """A leaf of what a step leads to, as one of the message before the step."""
    path = f"{_told(step)}.{leaf.path}"
    plain = step.index is None and not leaf.indexed
    return replace(
        leaf,
        path=path,
        get=operator.attrgetter(path) if plain else _chain(get, leaf.get),
        indexed=leaf.indexed or step.index is not None,
        named=leaf.named or isinstance(step.index, Named),
    )


def _of_each(step: Step, get: Get, leaves: Sequence[Leaf], items: int | None, place: str) -> Leaf:
    """The same fields of several messages of an array, one message after the other."""
    if any(leaf.dtype == "string" for leaf in leaves):
        raise ContractError(place, f"{_told(step)} of texts: name one of them")
    getters = [leaf.get for leaf in leaves]
    counts = [leaf.count for leaf in leaves]
    known = sum(count for count in counts if count is not None)
    count = None if items is None or None in counts else items * known
    path = f"{_told(step)}.{'+'.join(leaf.path for leaf in leaves)}"
    if len(leaves) == 1 and leaves[0].scalar:
        first = getters[0]

        def each(message: Any) -> list[Any]:
            return [first(item) for item in get(message)]
    else:

        def each(message: Any) -> list[Any]:
            values: list[Any] = []
            for item in get(message):
                for one, leaf in zip(getters, leaves):
                    values.append(one(item)) if leaf.scalar else values.extend(one(item))
            return values

    named = any(leaf.named for leaf in leaves)
    dtype = leaves[0].dtype if len({leaf.dtype for leaf in leaves}) == 1 else "float64"
    return Leaf(path, each, dtype, count, False, True, named)


def _of_unnamed(message: type[Any], step: Step, item: str, path: str, place: str) -> str:
    """A warning where elements that have names are taken by their place in the message."""
    index = step.index
    if index is None or isinstance(index, Named) or item.startswith(("string", "wstring")):
        return ""
    inner = None if _is_plain(item) else message_of(item, place)
    names = names_of(message, inner, step.name)
    if not names:
        return ""
    return (
        f"{path!r} takes whatever stands at [{_shown(index)}] in the message, in an order that is"
        f" the publisher's; by name: {step.name}[{names[0]}=...]"
    )


def _check_within(array: re.Match[str], step: Step, path: str, place: str) -> None:
    """ContractError for an index or a bound of a slice that no message of the type reaches."""
    bound = array["n"] or array["most"]
    if bound is None:
        return
    most, index = int(bound), step.index
    if isinstance(index, slice):
        outside = any(end is not None and abs(end) > most for end in (index.start, index.stop))
    else:
        outside = isinstance(index, int) and not -most <= index < most
    if outside:
        held = f"{most} elements" if array["n"] else f"at most {most} elements"
        raise ContractError(place, f"{path!r}: {step.name!r} has {held}, and they count from 0")


def _count(array: re.Match[str] | None, index: Index) -> int | None:
    size = int(array["n"]) if array and array["n"] else None
    if isinstance(index, slice):
        if size is not None:
            return len(range(size)[index])
        first, last = index.start or 0, index.stop
        same_side = last is not None and (first >= 0) == (last >= 0)
        return max(0, last - first) if same_side and last is not None else None
    return size


def _told(step: Step) -> str:
    return step.name if step.index is None else f"{step.name}[{_shown(step.index)}]"


def _shown(index: Index) -> str:
    if isinstance(index, slice):
        return ":".join("" if end is None else str(end) for end in (index.start, index.stop))
    return str(index)


def _getter(
    message: type[Any], step: Step, item: str, path: str, place: str
) -> tuple[Get, list[Step]]:
    """How to take one step from a message, and the steps that its names stand for besides."""
    if step.index is None:
        return operator.attrgetter(step.name), []
    if isinstance(step.index, Named):
        inner = None if _is_plain(item) else message_of(item, place)
        return finder_of(message, inner, step, path, place)
    return by_place(message, step), []


def octets(value: Any) -> Any:
    """One octet or an array of them as 0 to 255; rclpy gives bytes of length 1, rosbags int8."""
    if isinstance(value, list):
        return np.frombuffer(b"".join(value), np.uint8)
    if isinstance(value, np.ndarray):
        return value.view(np.uint8)
    return (value[0] if isinstance(value, bytes) else value) & 0xFF


def _chain(first: Get, then: Get) -> Get:
    return lambda message: then(first(message))


def _is_plain(kind: str) -> bool:
    return kind in NUMBERS or kind.startswith(("string", "wstring"))


def message_of(kind: str, place: str) -> type[Any]:
    """The class of a field's type; ContractError at `place` where it cannot be imported."""
    package, _, name = kind.partition("/")
    return message_class(f"{package}/msg/{name.removeprefix('msg/')}", place)
