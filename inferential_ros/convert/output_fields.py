"""Values of one control tick -> the dotted fields of any message; Twist has its own defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from inferential_ros.convert.message_writer import (
    QUATERNION,
    MessageWriter,
    Target,
    Write,
    spread,
)
from inferential_ros.convert.outputs import stamp_header
from inferential_ros.convert.registry import ANY, Encode, OutputContext, output_converter
from inferential_ros.execution.rotations import FORMS, Rotation
from inferential_ros.options.errors import ContractError
from inferential_ros.options.yaml_values import Section, names, one_of

AXES = tuple(f"{part}.{axis}" for part in ("linear", "angular") for axis in "xyz")
PARTS = ("x", "y", "z", "w")
Change = Callable[[np.ndarray], np.ndarray]


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
    """Write a Time message into the header of a message that has a header."""
    if hasattr(message, "header"):
        message.header.stamp = time


@output_converter(ANY, stamp=stamp_if_it_has_one)
def any_type(section: Section, context: OutputContext) -> Encode:
    """A type without a converter: the contract must say which field each action goes to."""
    return by_fields(section, context, ())


def by_fields(section: Section, context: OutputContext, default: tuple[str, ...]) -> Encode:
    """`fields`, one per action, and `set`: what the other fields are, such as a frame id.

    A field that is a quaternion takes all the columns of a rotation, whatever its form; `rotation`
    is the form in which rotations go to plain fields.
    """
    if not section.has("fields") and len(default) != len(context.names):
        section.refuse_misspelt("fields")
        listed = ", ".join(default or context.message.get_fields_and_field_types())
        raise ContractError(
            section.at("fields"),
            f"is missing: name one of {listed or 'no fields'} for each of the"
            f" {len(context.names)} actions",
        )
    place = section.at("fields")
    writer = MessageWriter(context.message)
    given = enumerate(section.get("fields", names, default))
    targets = [
        (writer.find(path, f"{place}[{index}]"), f"{place}[{index}]")
        for index, field in given
        for path in spread(field, f"{place}[{index}]")
    ]
    form = section.get("rotation", one_of(*FORMS), None)
    layout = _Layout(writer, context, form)
    layout.take(targets)
    if layout.used != len(context.names):
        raise ContractError(place, f"{layout.used} fields for {len(context.names)} actions")
    constants = _constants(section, writer, [target.path for target, _ in targets])
    encode = FieldWriter(writer.make, layout.values, constants, layout.pieces)
    encode.quaternions = quaternions_of(layout.plain, section)
    return encode


class _Layout:
    """Which columns go to which fields.

    form: of rotations that go to plain fields; None: as their columns are.
    """

    def __init__(self, writer: MessageWriter, context: OutputContext, form: str | None) -> None:
        self.used = 0  # columns
        self.values: list[Write] = []
        self.pieces: list[tuple[slice, Change | None]] = []
        self.plain: dict[int, tuple[Target, str]] = {}  # column -> the field that has it as it is
        self._writer = writer
        self._context = context
        self._form = form

    def take(self, targets: Sequence[tuple[Target, str]]) -> None:
        """Give every field its column, and rotations theirs."""
        left = list(targets)
        while left:
            target, place = left[0]
            rotation = self._rotation()
            if target.kind == QUATERNION:
                self._whole(target, place, rotation)
                left = left[1:]
            elif rotation is not None and self._form is not None:
                make, width = FORMS[self._form]
                write = make(tuple(range(width)), ()).write
                if len(left) < width:
                    raise ContractError(place, f"a {self._form} needs {width} fields from here on")
                self.values += [self._writer.value(*each) for each in left[:width]]
                self._piece(rotation, lambda columns, r=rotation, w=write: w(r.read(columns)))
                left = left[width:]
            else:
                self.plain[self.used] = target, place
                self.values.append(self._writer.value(target, place))
                self._piece(None, None)
                left = left[1:]

    def _whole(self, target: Target, place: str, rotation: Rotation | None) -> None:
        if rotation is None:
            raise ContractError(
                place,
                f"{target.path!r} is a rotation, and none begins at column {self.used} of this"
                f" output: name its columns, in their order, under action.{', '.join(FORMS)}",
            )
        parts = [self._writer.find(f"{target.path}.{axis}", place) for axis in PARTS]
        self.values += [self._writer.value(part, place) for part in parts]
        self._piece(rotation, rotation.read)

    def _piece(self, rotation: Rotation | None, change: Change | None) -> None:
        size = 1 if rotation is None else len(rotation.columns)
        self.pieces.append((slice(self.used, self.used + size), change))
        self.used += size

    def _rotation(self) -> Rotation | None:
        """The rotation whose columns are the next ones of the output."""
        for rotation in self._context.rotations:
            if rotation.columns == tuple(range(self.used, self.used + len(rotation.columns))):
                return rotation
        return None


def quaternions_of(
    fields: Mapping[int, tuple[Target, str]], section: Section
) -> tuple[tuple[int, ...], ...]:
    """Which of the columns are the parts of a quaternion of geometry_msgs, x to w."""
    found: dict[str, dict[str, int]] = {}
    for column, (target, _) in fields.items():
        if target.owner == QUATERNION:
            parent, _, part = target.path.rpartition(".")
            found.setdefault(parent, {})[part] = column
    constants = section.get("set", Section, Section({}, "")).items()
    turned = {name for name, value, _ in constants if value != 0}
    for parent, parts in found.items():
        fixed = [part for part in PARTS if f"{parent}.{part}" in turned]
        if len(parts) < 2 or "w" not in parts or fixed:
            place = fields[next(iter(parts.values()))][1]
            raise ContractError(
                place,
                f"{', '.join(parts)} alone leave the length of {parent!r} to chance: name x, y, z"
                " and w, or w and those that are not always zero",
            )
    return tuple(tuple(parts[part] for part in PARTS if part in parts) for parts in found.values())


def _constants(
    section: Section, writer: MessageWriter, fields: Sequence[str]
) -> list[tuple[Write, Any]]:
    given = []
    for name, value, place in section.get("set", Section, Section({}, "")).items():
        paths = spread(name, place)
        shared = value if isinstance(value, list) and len(paths) > 1 else [value] * len(paths)
        if len(shared) != len(paths):
            raise ContractError(place, f"{len(shared)} values for {len(paths)} elements")
        for path, one in zip(paths, shared):
            if path in fields:
                raise ContractError(place, "an action goes there already")
            given.append((writer.find(path, place), one, place))
    given.sort(key=lambda each: each[0].array is None)  # whole arrays before their elements
    return [(writer.constant(target, one, place), one) for target, one, place in given]


class FieldWriter:
    """A fresh message with the constants and the values in it.

    quaternions: which columns are x, y, z and w of a rotation, so that they are mixed as one.
    """

    quaternions: tuple[tuple[int, ...], ...] = ()

    def __init__(
        self,
        make: Callable[[], Any],
        values: list[Write],
        constants: list[tuple[Write, Any]],
        pieces: list[tuple[slice, Change | None]],
    ) -> None:
        self._make = make
        self._values = values
        self._constants = constants
        self._pieces = pieces if any(change for _, change in pieces) else []

    def __call__(self, values: np.ndarray) -> Any:
        if self._pieces:
            values = np.concatenate(
                [
                    values[part] if change is None else change(values[part])
                    for part, change in self._pieces
                ]
            )
        message = self._make()
        for write, value in self._constants:
            write(message, value)
        for write, value in zip(self._values, values.tolist()):
            write(message, value)
        return message
