"""Message types for a machine that lacks the real ones: with the same fields, no more.

Contracts are checked and recordings replayed with them where `rclpy` is not installed, such as on
a server, by what the PyPI package `rosbags` knows of the standard messages. A recording that is
replayed brings the definitions of its own types, which need be installed nowhere. A bridge never
sees a stand-in.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Mapping
from typing import Any

import numpy as np

from inferential_core.errors import UsageError

_recorded: dict[str, Any] = {}  # of the recording that is replayed: definitions of rosbags
PLAIN = {"float64": "double", "float32": "float", "bool": "boolean"}


class StandIn:
    """A message with its fields at their defaults, or as given."""

    fields: dict[str, str] = {}

    def __init__(self, **values: Any) -> None:
        for name, kind in self.fields.items():
            setattr(self, name, values.pop(name) if name in values else _default(kind))
        if values:
            raise TypeError(f"{type(self).__name__} has no field {next(iter(values))!r}")

    @classmethod
    def get_fields_and_field_types(cls) -> dict[str, str]:
        """The fields of the message with their types, as rosidl's classes tell them."""
        return cls.fields


def learn(definitions: Mapping[str, Any]) -> None:
    """Know the types of a recording, too: definitions of rosbags by name of the type."""
    _recorded.update(definitions)
    _made.cache_clear()


def stand_in(type_name: str) -> type[StandIn] | None:
    """The stand-in of `package/msg/Name`; None where nothing is known of it.

    Where ROS is installed, only types of a recording have one.
    """
    if type_name not in _recorded and importlib.util.find_spec("rclpy") is not None:
        return None
    return _made(type_name)


def how_to_know_types() -> str:
    """What a user can do about a message type that is not known here; UsageError if none is."""
    if importlib.util.find_spec("rclpy") is not None:
        return "source the workspace that has it"
    if importlib.util.find_spec("rosbags") is not None:
        return (
            "without ROS 2 only the types of its common interfaces, and those that a recording"
            " brings when it is replayed, are known"
        )
    raise UsageError(
        "no message type is known here: without ROS 2, pip install 'inferential[bags]' brings the"
        " common ones"
    )


@functools.cache
def _made(type_name: str) -> type[StandIn] | None:
    try:
        from rosbags.typesys import Stores, get_typestore
    except ImportError:
        return None
    known = {**get_typestore(Stores.ROS2_JAZZY).fielddefs, **_recorded}
    if type_name not in known:
        return None
    _, described = known[type_name]
    fields = {name: _kind(kind) for name, kind in described}
    fields.pop("structure_needs_at_least_one_member", None)
    return type(type_name.rpartition("/")[2], (StandIn,), {"fields": fields})


def _kind(described: Any) -> str:
    """A field's type as rosidl writes it. 1: plain, 2: message, 3: array, 4: sequence."""
    number, what = int(described[0]), described[1]
    if number == 1:
        return PLAIN.get(what[0], what[0])
    if number == 2:
        package, _, name = what.partition("/msg/")
        return f"{package}/{name}"
    item, size = _kind(what[0]), what[1]
    return f"{item}[{size}]" if number == 3 else f"sequence<{item}>"


def _default(kind: str) -> Any:
    if kind.startswith("sequence<"):
        return []
    if kind.endswith("]"):
        item, _, size = kind[:-1].rpartition("[")
        return [""] * int(size) if item == "string" else np.zeros(int(size))
    if kind == "string":
        return ""
    if "/" in kind:
        package, _, name = kind.partition("/")
        nested = _made(f"{package}/msg/{name}")
        return nested() if nested is not None else None
    return 0.0 if kind in ("float", "double") else 0
