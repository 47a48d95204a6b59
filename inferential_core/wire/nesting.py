"""Nested values as they travel: under keys that are joined by dots, lists of texts by their index.

`{"images": {"front": array}, "task": ["pick", "place"]}` is sent as `images.front`, `task.0` and
`task.1`. A model that takes nested observations says so, and gets them as they were.

This module is also sent to Ray's replicas by value: it imports the standard library and `errors`,
and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import UsageError

MOST_NESTED = 8
MOST_VALUES = 10_000  # a mapping of a user's own class may have no end
NESTED_TYPES = (dict, list, tuple)


def flattened(values: Mapping[Any, Any], what: str, *, texts: bool = True) -> dict[str, Any]:
    """Values without nested ones: their keys are joined by dots, texts in lists are numbered.

    texts: whether lists of texts are taken apart, too. UsageError where two values would have the
    same key, or there is no end of them or of their nesting; `what` they are, for its words.
    """
    found: dict[str, Any] = {}
    _flatten(values, "", 0, found, what, texts)
    return found


def _flatten(
    values: Mapping[Any, Any],
    prefix: str,
    depth: int,
    found: dict[str, Any],
    what: str,
    texts: bool,
) -> None:
    if depth > MOST_NESTED:
        raise UsageError(f"the {what} is nested more than {MOST_NESTED} times")
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            _flatten(value, f"{name}.", depth + 1, found, what, texts)
        elif texts and isinstance(value, (list, tuple)) and is_texts(value):
            _flatten(dict(enumerate(value)), f"{name}.", depth + 1, found, what, texts)
        elif name in found:
            raise UsageError(f"the {what} has two values for {name!r}")
        elif len(found) == MOST_VALUES:
            raise UsageError(f"the {what} has more than {MOST_VALUES} values")
        else:
            found[name] = value


def is_texts(value: Any) -> bool:
    """Whether a value is a list of texts, with at least one."""
    return (
        isinstance(value, (list, tuple))
        and bool(value)
        and all(isinstance(item, str) for item in value)
    )


def nested(values: Mapping[str, Any], *, lists_only: bool = False) -> dict[str, Any]:
    """The values as they were before `flattened`; where only lists are wanted, other keys stay.

    A key that is both a value and the beginning of others stays as it is, with its dots.
    """
    if "." not in "".join(values):
        return dict(values)
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *way, last = key.rsplit(".", 1) if lists_only else key.split(".")
        if lists_only and not (last.isdecimal() and isinstance(value, str)):
            way, last = [], key
        place: Any = tree
        for step in way:
            place = place.setdefault(step, _Branch()) if isinstance(place, dict) else None
        if type(place) is _Branch or place is tree:
            if last not in place:
                place[last] = value
                continue
        tree[key] = value
    return {key: _joined(value) for key, value in tree.items()}


class _Branch(dict[str, Any]):
    """What lies below a dot, told from a value that is a mapping."""


def _joined(value: Any) -> Any:
    if type(value) is not _Branch:
        return value
    numbered = [str(index) for index in range(len(value))]
    if value.keys() == set(numbered) and all(isinstance(item, str) for item in value.values()):
        return [value[index] for index in numbered]  # texts travel in no order
    return {key: _joined(item) for key, item in value.items()}
