"""Writing numbers and texts to dotted paths of a message, such as `motor_cmd[3].q`.

A path is followed through the message's type when a contract is read, so a wrong one is found
before anything is commanded. Where it leads through an array whose length the message decides, the
array gets as many elements as the contract's paths need.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inferential_ros.convert.fields import ARRAY, NUMBERS, message_of
from inferential_ros.options.errors import ContractError, suggestion

STEP = re.compile(r"([A-Za-z_]\w*)(?:\[(\d+)\])?")
SLICE = re.compile(r"\[(\d*):(\d+)\]")
QUATERNION = "geometry_msgs/Quaternion"
CODES = {"float32": "f", "float64": "d"} | {
    f"{sign}int{bits}": code.upper() if sign else code
    for bits, code in ((8, "b"), (16, "h"), (32, "i"), (64, "q"))
    for sign in ("", "u")
}

MOST_ELEMENTS = 4096  # of an array that a contract fills

Write = Callable[[Any, Any], None]
Steps = tuple[tuple[str, int | None], ...]


def spread(path: str, place: str) -> list[str]:
    """The paths that one with slices stands for: `a[0:2].b` is `a[0].b` and `a[1].b`.

    ContractError at `place` where there are none, or too many.
    """
    match = SLICE.search(path)
    if match is None:
        return [path]
    before, after = path[: match.start()], path[match.end() :]
    elements = range(int(match[1] or 0), int(match[2]))
    if not 0 < len(elements) <= MOST_ELEMENTS:
        raise ContractError(
            place, f"{path!r}: a slice has 1 to {MOST_ELEMENTS} elements, not {len(elements)}"
        )
    found = [one for i in elements for one in spread(f"{before}[{i}]{after}", place)]
    if len(found) > MOST_ELEMENTS:
        raise ContractError(place, f"{path!r} stands for {len(found)} elements")
    return found


@dataclass(frozen=True)
class Target:
    """Where a path leads: the way there, and the type of what is there, as rosidl writes it."""

    path: str
    steps: Steps
    kind: str
    owner: str  # the type of the message that it is a field of, likewise

    @property
    def array(self) -> re.Match[str] | None:
        """The parts of the type, where a whole array is there."""
        return ARRAY.fullmatch(self.kind)


class MessageWriter:
    """Finds targets in one message type, and makes messages with arrays long enough for them."""

    def __init__(self, message: type[Any]) -> None:
        self._message = message
        self._sizes: dict[Steps, tuple[int, str]] = {}  # way to an array -> length, element

    def find(self, path: str, place: str) -> Target:
        """The target of a path without slices; ContractError at `place` where there is none."""
        owner: Any = self._message
        steps: Steps = ()
        kind, owner_kind = "", f"{owner.__module__.partition('.')[0]}/{owner.__name__}"
        for part in path.split("."):
            if steps:
                owner, owner_kind = _owner(kind, path, steps[-1][0], place), kind
            match = STEP.fullmatch(part)
            if match is None:
                raise ContractError(place, f"{path!r}: {part!r} is no field name")
            name, index = match[1], None if match[2] is None else int(match[2])
            fields = owner.get_fields_and_field_types()
            if name not in fields:
                hint = suggestion(name, fields)
                raise ContractError(place, f"{owner.__name__} has no field {name!r}; {hint}")
            kind = fields[name]
            if index is not None:
                kind = self._element((*steps, (name, None)), index, kind, path, place)
            steps = (*steps, (name, index))
        return Target(path, steps, kind, owner_kind)

    def value(self, target: Target, place: str) -> Write:
        """Writer of one number to a target; ContractError where that is no number."""
        if _is_text(target.kind):
            raise ContractError(place, f"{target.path!r} is text, not a number")
        if target.kind not in NUMBERS:
            raise ContractError(place, f"{target.path!r} is more than one number")
        return _writer(target, _converter(target.kind))

    def constant(self, target: Target, value: Any, place: str) -> Write:
        """Writer of a constant: a number or a text, or a list of them for a whole array."""
        item = target.kind
        if target.array is not None:
            item = target.array["item"] or target.array["fixed"]
        if item not in NUMBERS and not _is_text(item):
            raise ContractError(place, f"{target.path!r} is more than one number")
        if isinstance(value, list) != (target.array is not None):
            wanted = "a list" if target.array is not None else "one value"
            raise ContractError(place, f"{value!r} does not fit: {target.path!r} takes {wanted}")
        convert = _as_it_is(_converter(item))
        write = _writer(target, convert)
        if target.array is not None:
            self._check_length(target, len(value), place)
            write = _writer(target, lambda values: [convert(each) for each in values])
        try:
            write(self.make(), value)
        except (TypeError, ValueError, AssertionError, OverflowError) as error:
            raise ContractError(place, f"{value!r} does not fit: {error}") from None
        return write

    def make(self) -> Any:
        """A fresh message, with arrays of the lengths that were found."""
        message = self._message()
        for steps, (size, item) in self._sizes.items():
            setattr(_follow(message, steps[:-1]), steps[-1][0], _elements(item, size))
        return message

    def _element(self, way: Steps, index: int, kind: str, path: str, place: str) -> str:
        """The type of an element of an array, which will be long enough for it."""
        match = ARRAY.fullmatch(kind)
        if match is None:
            raise ContractError(place, f"{path!r}: {way[-1][0]!r} is no array")
        item = match["item"] or match["fixed"]
        most = match["n"] or match["most"]
        if most is not None and index >= int(most):
            raise ContractError(
                place, f"{path!r}: {way[-1][0]!r} has {most} elements, and they count from 0"
            )
        if index >= MOST_ELEMENTS:
            raise ContractError(place, f"{path!r}: more than {MOST_ELEMENTS} elements")
        if match["n"] is None:
            size, _ = self._sizes.get(way, (0, item))
            self._sizes[way] = max(size, index + 1), item
        return item

    def _check_length(self, target: Target, length: int, place: str) -> None:
        assert target.array is not None
        fixed = target.array["n"]
        least = self._sizes.get(target.steps, (0, ""))[0]
        if (fixed is not None and length != int(fixed)) or length < least:
            needed = f"{fixed}" if fixed is not None else f"at least {least}"
            raise ContractError(
                place, f"{target.path!r} needs {needed} elements, and the list has {length}"
            )


def _owner(kind: str, path: str, name: str, place: str) -> Any:
    """The message type that a path goes on in."""
    if ARRAY.fullmatch(kind):
        raise ContractError(place, f"{path!r}: {name!r} is an array; name one, as {name}[0]")
    if kind in NUMBERS or _is_text(kind):
        raise ContractError(place, f"{path!r}: {name!r} is a {kind} and has no fields")
    return message_of(kind, place)


def _is_text(kind: str) -> bool:
    return ARRAY.fullmatch(kind) is None and kind.startswith(("string", "wstring"))


def _converter(kind: str) -> Callable[[Any], Any]:
    """What makes of a number or text what a field of this type takes."""
    if _is_text(kind):
        return str
    dtype = NUMBERS[kind]
    if dtype == "bool":
        return lambda value: value >= 0.5
    if kind == "octet":
        return lambda value: bytes([min(max(round(value), 0), 255)])
    if dtype.startswith("float"):
        return float
    info = np.iinfo(dtype)
    least, most = int(info.min), int(info.max)
    return lambda value: min(max(round(value), least), most)


def _as_it_is(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A converter that does not round or limit: ValueError where a field takes no such number."""

    def exactly(value: Any) -> Any:
        try:
            converted = convert(value)
        except TypeError:  # of Python's own words
            raise ValueError("it is no number") from None
        held = converted[0] if isinstance(converted, bytes) else converted
        if held != value and not isinstance(converted, str):
            raise ValueError(f"the field would hold {held!r}")
        return converted

    return exactly


def _writer(target: Target, convert: Callable[[Any], Any]) -> Write:
    *way, (name, index) = target.steps

    def write(message: Any, value: Any) -> None:
        owner = _follow(message, way) if way else message
        if index is None:
            setattr(owner, name, convert(value))
        else:
            getattr(owner, name)[index] = convert(value)

    return write


def _follow(message: Any, steps: Sequence[tuple[str, int | None]]) -> Any:
    for name, index in steps:
        message = getattr(message, name)
        if index is not None:
            message = message[index]
    return message


def _elements(item: str, size: int) -> Any:
    """So many elements of a type, as rosidl takes them."""
    if _is_text(item):
        return [""] * size
    if item == "octet":
        return [b"\0"] * size
    if item in NUMBERS:
        code = CODES.get(NUMBERS[item])
        return [False] * size if code is None else array(code, [0] * size)
    nested = message_of(item, "")
    return [nested() for _ in range(size)]
