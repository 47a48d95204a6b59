"""Finds elements of arrays by their names, in whatever order a message has them.

The name is a field of each element (`child_frame_id` of a transform), or stands in a list of names
beside the array (`name` of a JointState, `joint_names` of a DynamicJointState).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from inferential_ros.convert.field_path import Named, Step
from inferential_ros.options.errors import ContractError, listing, suggestion
from inferential_ros.options.types import message_class

TEXTS = ("string", "wstring")
WHOLE = ("int", "uint", "byte", "octet", "char")
Get = Callable[[Any], Any]


class NotNamed(LookupError):
    """Nothing in a message is called so."""

    def __init__(self, wanted: str, known: Iterable[str]) -> None:
        self.known = tuple(dict.fromkeys(known))
        hint = suggestion(wanted.rpartition("=")[2], self.known)
        super().__init__(f"nothing in the message is [{wanted}]; {hint}")


class Unreadable(LookupError):
    """Which element is meant is not certain."""


def names_of(message: type[Any], item: type[Any] | None, field: str) -> list[str]:
    """The names by which the elements of an array can be found: fields of theirs, lists beside it.

    item: their class, None for numbers. The points of a trajectory are not what its joint_names
    name, since each has numbers for all of them.
    """
    inside = item.get_fields_and_field_types() if item is not None else {}
    own = [name for name, kind in inside.items() if kind in TEXTS and _names(name)]
    if "time_from_start" in inside:
        return own
    beside = [
        name
        for name, kind in message.get_fields_and_field_types().items()
        if name != field and _is_text_array(kind) and (_names(name.removesuffix("s")) or item)
    ]
    return own + beside


def list_of_names(message: type[Any], step: Step) -> str | None:
    """The list in a message that a step names its element by; None where it is in none."""
    if not isinstance(step.index, Named) or len(step.index.conditions) != 1:
        return None
    return _among(step.index.conditions[0][0], _text_arrays(message))


def finder_among(numbers: Get, names: str, step: Step) -> Get:
    """How to get the number that a list of names in the same message names."""
    assert isinstance(step.index, Named)
    ((_, wanted),) = step.index.conditions
    return _finder(step, numbers, ((names, wanted),), ())


def _names(field: str) -> bool:
    return field in ("child_frame_id", "ns", "id", "key") or field.endswith("name")


def _is_text_array(kind: str) -> bool:
    return kind.startswith(("sequence<string", "sequence<wstring")) or (
        kind.startswith(TEXTS) and kind.endswith("]")
    )


def finder_of(
    message: type[Any], item: type[Any] | None, step: Step, path: str, place: str
) -> tuple[Get, list[Step]]:
    """How to get the element that a step names out of a message, and the steps that follow.

    A condition on a list of names inside of the element leads on to the numbers beside that list:
    `interface_values[joint_names=elbow, interface_names=temperature]`. A name may be written
    without its `s` or `_names`. ContractError for one that neither has.
    """
    assert isinstance(step.index, Named)
    beside: list[tuple[str, str]] = []
    inside: list[tuple[Get, str]] = []
    more: list[Step] = []
    siblings = _text_arrays(message)
    siblings.pop(step.name, None)
    own = item.get_fields_and_field_types() if item is not None else {}
    for field, value in step.index.conditions:
        if item is not None and _is_comparable(item, field):
            inside.append((operator.attrgetter(field), value))
        elif (found := _among(field, siblings)) is not None:
            beside.append((found, value))
        elif item is not None and (found := _among(field, _text_arrays(item))) is not None:
            more.append(Step(_numbers_beside(item, found, path, place), Named(((found, value),))))
        else:
            known = [name for name, kind in own.items() if kind in TEXTS or kind.startswith(WHOLE)]
            raise ContractError(
                place,
                f"{path!r}: {step.name!r} has no names {field!r};"
                f" {listing([*known, *_text_arrays(item), *siblings])}",
            )
    return _finder(step, operator.attrgetter(step.name), beside, inside), more


def _finder(
    step: Step,
    of_message: Get,
    beside: Sequence[tuple[str, str]],
    inside: Sequence[tuple[Get, str]],
) -> Get:
    wanted = str(step.index)

    def find(message: Any) -> Any:
        items = of_message(message)
        matching: Iterable[int] = range(len(items))
        for field, value in beside:
            listed = getattr(message, field)
            if len(listed) != len(items):
                raise Unreadable(f"{len(items)} {step.name} for {len(listed)} {field}")
            matching = [index for index in matching if listed[index] == value]
        for get, value in inside:
            matching = [index for index in matching if str(get(items[index])) == value]
        found = list(matching)
        if len(found) == 1:
            return items[found[0]]
        if found:
            raise Unreadable(f"{len(found)} {step.name} in the message are [{wanted}]")
        known = [name for field, _ in beside for name in getattr(message, field)]
        known += [str(get(item)) for get, _ in inside for item in items]
        raise NotNamed(wanted, known)

    return find


def by_place(message: type[Any], step: Step) -> Get:
    """Of an index: refused where an element is called by that number, which may be meant."""
    index = step.index
    of_message = operator.attrgetter(step.name)
    siblings = [name for name in _text_arrays(message) if name != step.name]
    if not isinstance(index, int) or not siblings:
        return lambda received: of_message(received)[index]
    called = str(index)

    def get(received: Any) -> Any:
        for field in siblings:
            if called in getattr(received, field):
                raise Unreadable(
                    f"{step.name}[{index}] may mean the one that is called {called!r}: write"
                    f" {step.name}[{field}={called}], or {step.name}[{index}:{index + 1}] for the"
                    " one at that place"
                )
        return of_message(received)[index]

    return get


def _text_arrays(message: type[Any] | None) -> dict[str, str]:
    fields = message.get_fields_and_field_types() if message is not None else {}
    return {name: kind for name, kind in fields.items() if _is_text_array(kind)}


def _is_comparable(item: type[Any], field: str) -> bool:
    """Whether a dotted field of an element is a text or a whole number."""
    kind: Any = item
    *way, last = field.split(".")
    for name in way:
        inner = kind.get_fields_and_field_types().get(name, "")
        if "/" not in inner or inner.endswith("]") or inner.startswith("sequence"):
            return False
        package, _, short = inner.partition("/")
        kind = message_class(f"{package}/msg/{short.removeprefix('msg/')}", field)
    found = kind.get_fields_and_field_types().get(last, "")
    return found in TEXTS or (found.startswith(WHOLE) and not found.endswith("]"))


def _among(field: str, known: Iterable[str]) -> str | None:
    names = list(known)
    spelt = (field + ending for ending in ("", "s", "_names", "_name"))
    return next((name for name in spelt if name in names), None)


def _numbers_beside(item: type[Any], names: str, path: str, place: str) -> str:
    """The one array of numbers in a message, which a list of names in it names."""
    arrays = [
        name
        for name, kind in item.get_fields_and_field_types().items()
        if kind.startswith("sequence<") and "/" not in kind and "string" not in kind
    ]
    if len(arrays) != 1:
        raise ContractError(
            place,
            f"{path!r}: {item.__name__} has {len(arrays)} arrays of numbers beside {names!r}; name"
            f" the one as a step of its own, as .values[{names}=...]",
        )
    return arrays[0]
