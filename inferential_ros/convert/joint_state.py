"""sensor_msgs/msg/JointState -> a vector, joints found by name in every message.

The order of the joints in a message is the publisher's business and may change from one message
to the next; the vector's order is the contract's: for each field, each joint.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inferential_ros.contract.errors import ContractError, suggestion
from inferential_ros.contract.units import Conversion, read_conversion
from inferential_ros.contract.yaml_values import Section, boolean, names, one_of
from inferential_ros.convert.registry import Decode, Form, InputError, input_converter

FIELDS = ("position", "velocity", "effort")
DTYPES = ("float32", "float64")


@input_converter("sensor_msgs/msg/JointState")
def joint_state(section: Section, message: type[Any]) -> Decode:
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
    """Decoder with the column of each joint remembered as long as the names stay the same."""

    def __init__(
        self,
        joints: tuple[str, ...],
        fields: tuple[str, ...],
        dtype: str,
        path: str,
        allow_nan: bool = False,
        conversion: Conversion | None = None,
    ) -> None:
        self.form = Form(dtype, (len(joints) * len(fields),))
        self._joints = joints
        self._fields = fields
        self._dtype = np.dtype(dtype)
        self._path = f"{path}.joints"
        self._fields_path = f"{path}.fields"
        self._allow_nan = allow_nan
        self._conversion = _of_fields(conversion, fields, len(joints))
        self._names: list[str] | None = None
        self._columns = np.zeros(0, dtype=np.intp)

    def __call__(self, message: Any) -> np.ndarray:
        if message.name != self._names:
            self._columns = self._find(list(message.name))
            self._names = list(message.name)
        count = len(self._joints)
        vector = np.empty(count * len(self._fields), dtype=np.float64)
        for index, field in enumerate(self._fields):
            values = getattr(message, field)
            if len(values) != len(message.name):
                raise InputError(
                    f"{self._fields_path}[{index}]",
                    f"the message has {len(values)} values of {field} for"
                    f" {len(message.name)} joints",
                )
            np.asarray(values).take(
                self._columns, out=vector[index * count : (index + 1) * count], mode="clip"
            )
        if not self._allow_nan and not np.isfinite(vector).all():
            raise self._not_finite(vector)
        if self._conversion is not None:
            vector = self._conversion(vector)
        return vector.astype(self._dtype, copy=False)

    def _not_finite(self, vector: np.ndarray) -> InputError:
        """A driver that lost a sensor sends NaN, and a model makes motion of it."""
        first = int(np.flatnonzero(~np.isfinite(vector))[0])
        field, joint = divmod(first, len(self._joints))
        return InputError(
            f"{self._path}[{joint}]",
            f"the {self._fields[field]} of {self._joints[joint]!r} is {vector[first]};"
            " allow_nan: true lets it through",
        )

    def _find(self, present: list[str]) -> np.ndarray:
        columns = {name: index for index, name in enumerate(present)}
        for index, joint in enumerate(self._joints):
            if joint not in columns:
                raise InputError(
                    f"{self._path}[{index}]",
                    f"no joint {joint!r} in the message; {suggestion(joint, present)}",
                )
        return np.array([columns[joint] for joint in self._joints], dtype=np.intp)
