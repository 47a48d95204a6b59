"""Any message -> a vector of the numbers at dotted paths. What most small sensors need."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from inferential_ros.convert.casting import exactly
from inferential_ros.convert.collecting import Collected, Presence
from inferential_ros.convert.fields import Leaf, resolve
from inferential_ros.convert.named import NotNamed
from inferential_ros.convert.registry import (
    ANY,
    TEXT,
    Decode,
    Form,
    InputError,
    Located,
    input_converter,
)
from inferential_ros.convert.rotation import (
    QUATERNION,
    Rotations,
    quaternions_among,
    read_rotation,
)
from inferential_ros.convert.text import text_of
from inferential_ros.options.errors import ContractError, suggestion
from inferential_ros.options.units import Conversion, read_conversion
from inferential_ros.options.yaml_values import Section, boolean, names, number, one_of

DTYPES = ("float16", "float32", "float64", "uint8", "int32", "int64", "bool")
DEFAULTS = {
    "sensor_msgs/msg/Joy": ("axes", "buttons"),
    "sensor_msgs/msg/BatteryState": ("percentage",),
    "nav_msgs/msg/Odometry": ("pose.pose", "twist.twist"),
    "geometry_msgs/msg/Pose": ("position", "orientation"),
    "geometry_msgs/msg/PoseStamped": ("pose",),
    "geometry_msgs/msg/Twist": ("linear", "angular"),
    "geometry_msgs/msg/TwistStamped": ("twist",),
    "geometry_msgs/msg/Wrench": ("force", "torque"),
    "geometry_msgs/msg/WrenchStamped": ("wrench",),
}


def _register(type_name: str, default: tuple[str, ...]) -> None:
    @input_converter(type_name)
    def make(section: Section, message: type[Any]) -> Decode:
        return by_fields(section, message, default)


for _type_name, _default in DEFAULTS.items():
    _register(_type_name, _default)


@input_converter("sensor_msgs/msg/LaserScan")
def laser_scan(section: Section, message: type[Any]) -> Decode:
    """Ranges; REP 117 says infinite where nothing is in reach, so that passes."""
    return by_fields(section, message, ("ranges",), allow_nan=True)


@input_converter(ANY)
def any_type(section: Section, message: type[Any]) -> Decode:
    """A type without a converter: the contract must say which fields."""
    if not section.has("select"):
        section.refuse_misspelt("select")
        listed = ", ".join(f for f in message.get_fields_and_field_types() if f != "header")
        raise ContractError(
            section.at("select"),
            f"is missing: name the fields to read of {message.__name__} ({listed})",
        )
    return by_fields(section, message, ())


def by_fields(
    section: Section, message: type[Any], default: tuple[str, ...], *, allow_nan: bool = False
) -> Decode:
    """Reader of the fields that the contract selects, or of the type's usual ones."""
    selected = section.get("select", names, default)
    place = section.at("select")
    groups = [resolve(message, path, f"{place}[{i}]") for i, path in enumerate(selected)]
    leaves = [leaf for group in groups for leaf in group]
    if any(leaf.dtype == TEXT for leaf in leaves):
        return text_of(leaves, place)
    vector = Vector(
        groups,
        selected,
        np.dtype(section.get("dtype", one_of(*DTYPES), "float32")),
        read_conversion(section, selected, writing=False),
        place,
        section.get("allow_nan", boolean, allow_nan),
        section.get("fill", number, None),
        read_rotation(section, groups, selected),
    )
    return vector


def located_at(index: int, conversion: Conversion | None, origin: int) -> Located:
    """An element of a vector that was converted, or not."""
    if conversion is None:
        return Located(index)
    return Located(index, float(conversion.gain[origin]), float(conversion.offset[origin]))


class Vector:
    """The numbers at some paths, one after the other.

    check: raises InputError for a publisher that lacks some of them; asked until one passes.
    """

    check: Callable[[Any], None] | None = None

    def __init__(
        self,
        groups: Sequence[Sequence[Leaf]],
        selected: Sequence[str],
        dtype: np.dtype,
        conversion: Conversion,
        place: str,
        allow_nan: bool,
        fill: float | None,
        rotations: Rotations | None = None,
    ) -> None:
        self._leaves = [leaf for group in groups for leaf in group]
        self._origin = [index for index, group in enumerate(groups) for _ in group]
        self._selected = selected
        self._dtype = dtype
        self._read_as = np.float64 if dtype.kind == "f" else None  # which has 53 bits
        self._place = place
        self._checked = not allow_nan
        self._fill = fill
        self._conversion = None if conversion.trivial else conversion
        counts = [leaf.count for leaf in self._leaves]
        known = [count for count in counts if count is not None]
        size = sum(known) if len(known) == len(counts) else None
        self._rotations = rotations
        self.form = Form(dtype.name, (size if rotations is None else rotations.size,))
        plain = all(leaf.scalar and not leaf.indexed for leaf in self._leaves)
        self._all = operator.attrgetter(*(leaf.path for leaf in self._leaves)) if plain else None
        self._named = [any(leaf.named for leaf in group) for group in groups]
        self.elements = tuple(selected) if any(self._named) else ()
        told = [leaf.warning for leaf in self._leaves if leaf.warning]
        self.warnings = (*dict.fromkeys(told), *(rotations.warnings if rotations else ()))

    def located(self) -> dict[str, Located]:
        """The numbers at paths whose place in the vector does not depend on the message.

        A rotation is called as the message that it is, such as `pose.orientation`.
        """
        found: dict[str, Located] = {}
        changed = self._rotations
        starts = quaternions_among(self._leaves) if changed is None else changed.starts
        index = 0
        for leaf, origin in zip(self._leaves, self._origin):
            if leaf.count is None:
                break
            place = index if changed is None else changed.place(index)
            here = located_at(place, self._conversion, origin)
            if index in starts and here == Located(place):
                form = QUATERNION if changed is None else changed.target
                found[leaf.path.rpartition(".")[0] or "rotation"] = here._replace(form=form)
            if leaf.scalar and (changed is None or not changed.within(index)):
                found[leaf.path] = here
            index += leaf.count
        return found

    def __call__(self, message: Any) -> np.ndarray:
        if self.check is not None:
            self.check(message)
            self.check = None
        if self._all is not None:  # one call of C for all of them
            found = self._all(message)
            values = np.array(found if len(self._leaves) > 1 else (found,), dtype=self._read_as)
            sizes = None
        else:
            parts = (
                [self._part(leaf, message) for leaf in self._leaves]
                if type(message) is not Collected
                else list(map(self._part, self._leaves, self._of(message)))
            )
            sizes = [part.size for part in parts]
            values = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if self._fill is not None and values.dtype.kind == "f":
            values = np.where(np.isfinite(values), values, self._fill)
        if self._conversion is not None:
            origin = np.array(self._origin if sizes is None else np.repeat(self._origin, sizes))
            values = values * self._conversion.gain[origin] + self._conversion.offset[origin]
        if self._rotations is not None:
            values = self._rotations(values)
        if self._dtype.kind != "f":
            return exactly(values, self._dtype, self._place)
        values = values.astype(self._dtype)  # a copy: the message may be kept by others
        if self._checked and not np.isfinite(values).all():
            raise self._not_finite(message)
        return values

    def presence(self, message: Any) -> Presence:
        """Which of the selected fields a message has; none if it has nothing that is named."""
        found: dict[int, int] = {}
        names: list[str] = []
        for leaf, origin in zip(self._leaves, self._origin):
            try:
                if leaf.named:
                    leaf.get(message)
            except NotNamed as error:
                names += error.known
                continue
            except LookupError:
                pass  # it is told when the message is read
            found[origin] = origin
        named = any(self._named[element] for element in found)
        return Presence(found if named else {}, dict.fromkeys(names))

    def _of(self, message: Any) -> list[Any]:
        """The message that each leaf is read from; InputError if one did not come yet."""
        if type(message) is not Collected:
            return [message] * len(self._leaves)
        if message.missing:
            missing = message.missing[0]
            raise InputError(
                f"{self._place}[{missing}]",
                f"{self._selected[missing]!r} was in no message yet;"
                f" {suggestion(self._selected[missing], message.names)}",
            )
        sources = {element: part.message for part in message.parts for element in part.elements}
        return [sources[origin] for origin in self._origin]

    def _part(self, leaf: Leaf, message: Any) -> np.ndarray:
        try:
            part = np.asarray(leaf.get(message))
        except IndexError:
            raise InputError(self._place, f"{leaf.path!r}: the message is too short") from None
        except LookupError as error:
            raise InputError(self._place, f"{leaf.path!r}: {error}") from None
        if leaf.count is not None and part.size != leaf.count:
            raise InputError(
                self._place, f"{leaf.path!r}: {part.size} values in the message, not {leaf.count}"
            )
        if not part.size and part.dtype.kind != "f":
            part = part.astype(np.float64)  # an empty list has no dtype of its own
        return part.reshape(-1)

    def _not_finite(self, message: Any) -> InputError:
        for leaf, origin, source in zip(self._leaves, self._origin, self._of(message)):
            values = np.asarray(leaf.get(source), dtype=np.float64).reshape(-1)
            bad = np.flatnonzero(~np.isfinite(values))
            if bad.size:
                at = "" if leaf.scalar else f"[{bad[0]}]"
                return InputError(
                    f"{self._place}[{origin}]",
                    f"{leaf.path}{at} is {values[bad[0]]}; allow_nan: true lets it through,"
                    " fill: 0.0 replaces it",
                )
        return InputError(self._place, "a value is not finite in the model's units")
