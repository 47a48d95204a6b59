"""std_msgs scalars and multi-arrays -> arrays, in the shape that the layout tells.

Element (i, j, k) of a multi-array is data[data_offset + dim[1].stride * i + dim[2].stride * j + k]
(the comment in std_msgs/MultiArrayLayout). Many publishers leave the strides, or all of it, empty:
then the data are dense, or one-dimensional.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from inferential_ros.contract.errors import ContractError
from inferential_ros.contract.yaml_values import (
    Section,
    boolean,
    integer,
    number,
    one_of,
    sequence,
)
from inferential_ros.convert.numeric import DTYPES, by_fields
from inferential_ros.convert.registry import Decode, Form, InputError, input_converter

# What each becomes by itself: what the wire carries and loses nothing, but for doubles.
NATURAL = {
    "Float32": "float32",
    "Float64": "float32",
    "Int8": "int32",
    "Int16": "int32",
    "Int32": "int32",
    "Int64": "int64",
    "UInt8": "uint8",
    "UInt16": "int32",
    "UInt32": "int64",
    "UInt64": "int64",
}


@input_converter(*(f"std_msgs/msg/{name}" for name in (*NATURAL, "Bool")))
def scalar(section: Section, message: type[Any]) -> Decode:
    """One number, as a vector of length 1."""
    name = NATURAL.get(message.__name__, "bool")
    return by_fields(section.with_default("dtype", name), message, ("data",))


@input_converter(*(f"std_msgs/msg/{name}MultiArray" for name in NATURAL))
def multi_array(section: Section, message: type[Any]) -> Decode:
    dtype = NATURAL[message.__name__.removesuffix("MultiArray")]
    return MultiArray(
        np.dtype(section.get("dtype", one_of(*DTYPES), dtype)),
        section.get("shape", _shape, None),
        section.path,
        section.get("allow_nan", boolean, False),
        section.get("scale", number, 1.0),
        section.get("offset", number, 0.0),
    )


def _shape(value: Any, path: str) -> tuple[int | None, ...]:
    sizes = tuple(
        None if item is None else integer(item, f"{path}[{index}]")
        for index, item in enumerate(sequence(value, path))
    )
    if sizes.count(None) > 1:
        raise ContractError(path, "one size at most may be open (null)")
    return sizes


class MultiArray:
    """Decoder of one multi-array type."""

    def __init__(
        self,
        dtype: np.dtype,
        shape: tuple[int | None, ...] | None,
        path: str,
        allow_nan: bool,
        scale: float,
        offset: float,
    ) -> None:
        self.form = Form(dtype.name, shape)
        self._dtype = dtype
        self._shape = shape
        self._path = path
        self._allow_nan = allow_nan
        self._scale, self._offset = scale, offset

    def __call__(self, message: Any) -> np.ndarray:
        data = np.asarray(message.data)
        if not data.size:
            data = data.astype(self._dtype)
        values = self._as_wanted(self._laid_out(data, message.layout))
        if not self._allow_nan and values.dtype.kind == "f" and not np.isfinite(values).all():
            raise InputError(self._path, "a value is not finite; allow_nan: true lets it through")
        if self._scale != 1.0 or self._offset != 0.0:
            values = values * self._scale + self._offset
        return np.array(values, dtype=self._dtype, order="C")

    def _laid_out(self, data: np.ndarray, layout: Any) -> np.ndarray:
        start = layout.data_offset
        if not layout.dim:
            return data[start:]
        sizes = [dim.size for dim in layout.dim]
        strides = [dim.stride for dim in layout.dim[1:]] + [1]
        if not all(strides):
            strides = [math.prod(sizes[index + 1 :]) for index in range(len(sizes))]
        reach = start + sum((size - 1) * stride for size, stride in zip(sizes, strides)) + 1
        if 0 in sizes:
            return np.zeros(sizes, data.dtype)
        if reach > data.size:
            raise InputError(
                self._path, f"the layout {sizes} reaches to {reach} of {data.size} values"
            )
        width = data.itemsize
        return np.lib.stride_tricks.as_strided(
            data[start:], sizes, [stride * width for stride in strides], writeable=False
        )

    def _as_wanted(self, values: np.ndarray) -> np.ndarray:
        wanted = self._shape
        if wanted is None:
            return values
        known = math.prod(size for size in wanted if size is not None)
        fits = values.size % known == 0 if known and None in wanted else values.size == known
        if not fits or (known == 0 and None in wanted):
            raise InputError(
                f"{self._path}.shape", f"{list(values.shape)} in the message, not {list(wanted)}"
            )
        return values.reshape([-1 if size is None else size for size in wanted])
