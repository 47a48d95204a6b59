"""sensor_msgs/msg/JointState -> a vector, joints found by name in every message.

The order of the joints in a message is the publisher's business and may change from one message
to the next; the vector's order is the contract's: for each field, each joint. A robot whose arm
and gripper publish on one topic says in each message what some of the joints do: `presence` tells
which of them, `merged` puts the newest of each together (see collecting.py).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from inferential_ros.convert.collecting import Collected, Part, Presence
from inferential_ros.convert.numeric import by_fields, located_at
from inferential_ros.convert.registry import Decode, Form, InputError, Located, input_converter
from inferential_ros.options.errors import ContractError, suggestion
from inferential_ros.options.units import Conversion, read_conversion
from inferential_ros.options.yaml_values import Section, boolean, names, number, one_of

FIELDS = ("position", "velocity", "effort")
DTYPES = ("float32", "float64")
MOST_LAYOUTS = 64  # lists of names that are remembered


@input_converter("sensor_msgs/msg/JointState")
def joint_state(section: Section, message: type[Any]) -> Decode:
    """The decoder of a JointState: the fields of the joints by name, in the order of the contract.

    Raises ContractError, which names the key, where the section does not fit.
    """
    if section.has("select"):
        for key in ("joints", "fields", "unnamed"):
            if section.has(key):
                raise ContractError(
                    section.at(key), "a JointState is read by its joints, or by `select`"
                )
        return by_fields(section, message, ())
    joints = section.get("joints", names)
    fields = section.get("fields", names, ("position",))
    for index, field in enumerate(fields):
        if field not in FIELDS:
            path = f"{section.at('fields')}[{index}]"
            raise ContractError(
                path, f"JointState has no field {field!r}; {suggestion(field, FIELDS)}"
            )
    return JointVector(
        joints,
        fields,
        section.get("dtype", one_of(*DTYPES), "float32"),
        section.path,
        section.get("allow_nan", boolean, False),
        read_conversion(section, joints, writing=False),
        section.get("fill", number, None),
        section.get("unnamed", boolean, False),
    )


def _of_fields(
    conversion: Conversion | None, fields: tuple[str, ...], count: int
) -> Conversion | None:
    """An offset moves positions only, and an effort is converted by none of the keys."""
    if conversion is None or conversion.trivial:
        return None
    nothing = np.zeros(count)
    gains = {"effort": np.ones(count)}
    offsets = {"position": conversion.offset}
    return Conversion(
        np.concatenate([gains.get(field, conversion.gain) for field in fields]),
        np.concatenate([offsets.get(field, nothing) for field in fields]),
    )


class JointVector:
    """Decoder with the column of each joint remembered as long as the names stay the same.

    fill: what values become that are not finite. unnamed: a message without names has its joints
    in the order of the contract.
    """

    def __init__(
        self,
        joints: tuple[str, ...],
        fields: tuple[str, ...],
        dtype: str,
        path: str,
        allow_nan: bool = False,
        conversion: Conversion | None = None,
        fill: float | None = None,
        unnamed: bool = False,
    ) -> None:
        self.form = Form(dtype, (len(joints) * len(fields),))
        self.elements = joints
        self._joints = joints
        self._fields = fields
        self._dtype = np.dtype(dtype)
        self._path = f"{path}.joints"
        self._fields_path = f"{path}.fields"
        self._checked = fill is not None or not allow_nan
        self._fill = fill
        self._unnamed = unnamed
        self._conversion = _of_fields(conversion, fields, len(joints))
        self._names: list[str] | None = None
        self._columns = np.zeros(0, dtype=np.intp)
        self._layouts: dict[tuple[str, ...], Presence] = {}  # by the names of a message
        self._merges: dict[tuple[Any, ...], np.ndarray] = {}
        self._present_names: list[str] | None = None
        self._present = Presence({})

    def located(self) -> dict[str, Located]:
        """The positions of the joints; none where they are not read."""
        if "position" not in self._fields:
            return {}
        first = self._fields.index("position") * len(self._joints)
        return {
            joint: located_at(first + index, self._conversion, first + index)
            for index, joint in enumerate(self._joints)
        }

    def __call__(self, message: Any) -> np.ndarray:
        if type(message) is Collected:
            return self._merged(message)
        if message.name != self._names:
            self._columns = self._find(list(message.name), message)
            self._names = list(message.name)
        count = len(self._joints)
        expected = len(message.name) or len(self._columns)
        vector = np.empty(count * len(self._fields), dtype=np.float64)
        for index, field in enumerate(self._fields):
            values = getattr(message, field)
            if len(values) != expected:
                raise self._incomplete(index, len(values), expected)
            np.asarray(values).take(
                self._columns, out=vector[index * count : (index + 1) * count], mode="clip"
            )
        return self._finished(vector)

    def presence(self, message: Any) -> Presence:
        """Which of the joints a message tells of, and where; remembered for the same names."""
        if message.name == self._present_names:
            return self._present
        key = tuple(message.name)
        known = self._layouts.get(key)
        if known is None:
            unnamed = not key and self._unnamed and any(len(getattr(message, f)) for f in FIELDS)
            columns = {name: index for index, name in enumerate(self._joints if unnamed else key)}
            once = [(i, joint) for i, joint in enumerate(self._joints) if key.count(joint) < 2]
            found = {index: columns[joint] for index, joint in once if joint in columns}
            if len(self._layouts) >= MOST_LAYOUTS:
                self._layouts.clear()
            known = self._layouts[key] = Presence(found, key)
        self._present_names, self._present = list(key), known
        return known

    def _merged(self, collected: Collected) -> np.ndarray:
        """One vector of the newest message of each joint."""
        if collected.missing:
            raise self._without(collected.missing[0], collected.names)
        parts = collected.parts
        columns = self._merged_columns(parts)
        values: Any = None
        for index, field in enumerate(self._fields):
            for part in parts:
                one = getattr(part.message, field)
                expected = part.presence.count or len(self._joints)
                if len(one) != expected:
                    raise self._incomplete(index, len(one), expected)
                if type(one) is not array:
                    one = array("d", one)  # as a recording has it
                # Arrays of Python are put together in a tenth of the time of numpy's.
                values = one if values is None else values + one
        return self._finished(np.asarray(values).take(columns))

    def _merged_columns(self, parts: tuple[Part, ...]) -> np.ndarray:
        """Where each number stands among those of all messages, for each field in their order."""
        key = tuple([part[2:] for part in parts])
        known = self._merges.get(key)
        if known is None:
            of_joints, total = np.zeros(len(self._joints), np.intp), 0
            for part in parts:
                for element in part.elements:
                    of_joints[element] = total + part.presence.columns[element]
                total += part.presence.count or len(self._joints)
            known = np.concatenate([of_joints + f * total for f in range(len(self._fields))])
            if len(self._merges) >= MOST_LAYOUTS:
                self._merges.clear()
            self._merges[key] = known
        return known

    def _incomplete(self, field: int, values: int, joints: int) -> InputError:
        return InputError(
            f"{self._fields_path}[{field}]",
            f"the message has {values} values of {self._fields[field]} for {joints} joints",
        )

    def _finished(self, vector: np.ndarray) -> np.ndarray:
        if self._fill is not None:
            vector = np.where(np.isfinite(vector), vector, self._fill)
        if self._conversion is not None:
            vector = self._conversion(vector)
        values = vector.astype(self._dtype, copy=False)
        if self._checked and not np.isfinite(values).all():
            raise self._not_finite(values)
        return values

    def _not_finite(self, vector: np.ndarray) -> InputError:
        """A driver that lost a sensor sends NaN, and a model makes motion of it."""
        first = int(np.flatnonzero(~np.isfinite(vector))[0])
        field, joint = divmod(first, len(self._joints))
        return InputError(
            f"{self._path}[{joint}]",
            f"the {self._fields[field]} of {self._joints[joint]!r} is {vector[first]};"
            " allow_nan: true lets it through, fill: 0.0 replaces it",
        )

    def _find(self, present: list[str], message: Any) -> np.ndarray:
        if not present and any(len(getattr(message, field)) for field in FIELDS):
            if self._unnamed:
                return np.arange(len(self._joints))
            raise InputError(
                self._path,
                "the message names no joints; unnamed: true reads them in the order given here",
            )
        columns = {name: index for index, name in enumerate(present)}
        for index, joint in enumerate(self._joints):
            if present.count(joint) != 1:
                raise self._without(index, present)
        return np.array([columns[joint] for joint in self._joints], dtype=np.intp)

    def _without(self, index: int, present: Sequence[str]) -> InputError:
        joint, place = self._joints[index], f"{self._path}[{index}]"
        if joint in present:
            return InputError(place, f"the message has {joint!r} twice")
        return InputError(
            place, f"no joint {joint!r} in the message; {suggestion(joint, present)}"
        )
