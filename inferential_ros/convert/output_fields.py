"""Values of one control tick -> the dotted fields of any message; Twist has its own defaults."""

from __future__ import annotations

from typing import Any

import numpy as np

from inferential_ros.contract.errors import ContractError
from inferential_ros.contract.yaml_values import Section, names
from inferential_ros.convert.fields import resolve, setter
from inferential_ros.convert.outputs import stamp_header
from inferential_ros.convert.registry import ANY, Encode, OutputContext, output_converter

AXES = tuple(f"{part}.{axis}" for part in ("linear", "angular") for axis in "xyz")


@output_converter("geometry_msgs/msg/Twist", kinds=("twist",), kind="twist")
def twist(section: Section, context: OutputContext) -> Encode:
    """All six where six are selected, else `fields` says which."""
    return by_fields(section, context, AXES)


@output_converter(
    "geometry_msgs/msg/TwistStamped", kinds=("twist",), kind="twist", stamp=stamp_header
)
def twist_stamped(section: Section, context: OutputContext) -> Encode:
    """As Twist; stamped when published, as a servo drops what is older than 0.1 s."""
    return by_fields(section, context, tuple(f"twist.{axis}" for axis in AXES))


def stamp_if_it_has_one(message: Any, time: Any) -> None:
    if hasattr(message, "header"):
        message.header.stamp = time


@output_converter(ANY, stamp=stamp_if_it_has_one)
def any_type(section: Section, context: OutputContext) -> Encode:
    """A type without a converter: the contract must say which field each action goes to."""
    return by_fields(section, context, ())


def by_fields(section: Section, context: OutputContext, default: tuple[str, ...]) -> Encode:
    """`fields`, one per action, and `set`: what the other fields are, such as a frame id."""
    if not section.has("fields") and len(default) != len(context.names):
        section.refuse_misspelt("fields")
        listed = ", ".join(default or context.message.get_fields_and_field_types())
        raise ContractError(
            section.at("fields"),
            f"is missing: name one of {listed or 'no fields'} for each of the"
            f" {len(context.names)} actions",
        )
    fields = section.get("fields", names, default)
    place = section.at("fields")
    if len(fields) != len(context.names):
        raise ContractError(place, f"{len(fields)} fields for {len(context.names)} actions")
    setters = []
    for index, field in enumerate(fields):
        where = f"{place}[{index}]"
        if resolve(context.message, field, where)[0].dtype == "string":
            raise ContractError(where, f"{field!r} is text, not a number")
        setters.append(setter(context.message, field, where))
    constants = _constants(section, context.message, fields)
    encode = FieldWriter(context.message, setters, constants)
    encode(np.zeros(len(setters)))  # an index beyond the array is told now
    return encode


def _constants(section: Section, message: type[Any], fields: tuple[str, ...]) -> list[Any]:
    found = []
    for name, value, path in section.get("set", Section, Section({}, "")).items():
        if name in fields:
            raise ContractError(path, "an action goes there already")
        write = setter(message, name, path)
        try:
            write(message(), value)
        except (TypeError, ValueError, AssertionError) as error:
            raise ContractError(path, f"{value!r} does not fit: {error}") from None
        found.append((write, value))
    return found


class FieldWriter:
    """A fresh message with the constants and the values in it."""

    def __init__(self, message: type[Any], setters: list[Any], constants: list[Any]) -> None:
        self._message = message
        self._setters = setters
        self._constants = constants

    def __call__(self, values: np.ndarray) -> Any:
        message = self._message()
        for write, value in self._constants:
            write(message, value)
        for write, value in zip(self._setters, values.tolist()):
            write(message, value)
        return message
