"""std_msgs scalars and multi-arrays -> arrays, in the shape that the layout tells.

Element (i, j, k) of a multi-array is data[data_offset + dim[1].stride * i + dim[2].stride * j + k]
(the comment in std_msgs/MultiArrayLayout). Publishers write other things there: no strides, those
that numpy counts, strides in bytes, or one dimension of size 0. Where the sizes fill the data
exactly, the data are dense whatever the strides say; anything else must be a layout in which no
two elements share a number, or it is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from inferential_ros.convert.casting import exactly
from inferential_ros.convert.fields import octets
from inferential_ros.convert.numeric import DTYPES, by_fields
from inferential_ros.convert.registry import Decode, Form, InputError, input_converter
from inferential_ros.options.errors import ContractError
from inferential_ros.options.units import Conversion, read_conversion
from inferential_ros.options.yaml_values import (
    Section,
    boolean,
    integer,
    number,
    one_of,
    sequence,
)

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
    "Byte": "uint8",
}


@input_converter(*(f"std_msgs/msg/{name}" for name in (*NATURAL, "Bool")))
def scalar(section: Section, message: type[Any]) -> Decode:
    """One number, as a vector of length 1."""
    name = NATURAL.get(message.__name__, "bool")
    return by_fields(section.with_default("dtype", name), message, ("data",))


@input_converter(*(f"std_msgs/msg/{name}MultiArray" for name in NATURAL))
def multi_array(section: Section, message: type[Any]) -> Decode:
    """The decoder of a MultiArray: its data as an array of the declared dtype and shape.

    Raises ContractError, which names the key, where the section does not fit.
    """
    item = message.__name__.removesuffix("MultiArray")
    dtype = NATURAL[item]
    if section.has("select"):
        return by_fields(section.with_default("dtype", dtype), message, ())
    return MultiArray(
        np.dtype(section.get("dtype", one_of(*DTYPES), dtype)),
        section.get("shape", _shape, None),
        section.path,
        section.get("allow_nan", boolean, False),
        read_conversion(section, ("data",), writing=False),
        section.get("fill", number, None),
        octets if item == "Byte" else np.asarray,
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
        conversion: Conversion,
        fill: float | None,
        numbers: Callable[[Any], Any],
    ) -> None:
        self.form = Form(dtype.name, shape)
        self._numbers = numbers
        self._dtype = dtype
        self._shape = shape
        self._path = path
        self._allow_nan = allow_nan
        self._conversion = None if conversion.trivial else conversion
        self._fill = fill

    def __call__(self, message: Any) -> np.ndarray:
        data = np.asarray(self._numbers(message.data))
        if not data.size:
            data = data.astype(self._dtype)
        values = self._as_wanted(self._laid_out(data, message.layout))
        if self._fill is not None and values.dtype.kind == "f":
            values = np.where(np.isfinite(values), values, self._fill)
        if self._conversion is not None:
            values = self._conversion(values)
        values = exactly(values, self._dtype, self._path)
        if values.dtype.kind == "f" and not self._allow_nan and not np.isfinite(values).all():
            raise InputError(
                self._path,
                f"a value is not finite as {self._dtype}; allow_nan: true lets it through, and"
                " fill: 0.0 replaces it",
            )
        return values

    def _laid_out(self, data: np.ndarray, layout: Any) -> np.ndarray:
        """The data behind the offset, in the layout's sizes; InputError if they do not fit it."""
        values = data[layout.data_offset :]
        sizes = [dim.size for dim in layout.dim]
        if not any(sizes):
            return values  # no dimensions, or `ros2 topic pub`'s single one of size 0
        strides = [dim.stride for dim in layout.dim]
        if math.prod(sizes) == values.size:
            if _transposed(sizes, strides):
                raise InputError(
                    self._path,
                    f"the strides {strides} of the layout {sizes} grow from one dimension to the"
                    " next: publish the data row by row",
                )
            try:
                return values.reshape(sizes)
            except ValueError as error:  # one size is 0 and others beyond all bounds
                raise InputError(self._path, f"the layout {sizes}: {error}") from None
        return self._strided(values, sizes, strides, layout.data_offset)

    def _strided(
        self, values: np.ndarray, sizes: list[int], strides: list[int], start: int
    ) -> np.ndarray:
        """Sizes that leave out some of the data, as rows with padding do."""
        steps = [*strides[1:], 1]
        if not all(steps):  # not given
            steps = [math.prod(sizes[index + 1 :]) for index in range(len(sizes))]
        reach = start + sum((size - 1) * step for size, step in zip(sizes, steps)) + 1
        if reach > start + values.size:
            raise InputError(
                self._path,
                f"the layout {sizes} reaches to {reach} of {start + values.size} values",
            )
        spans = [size * step for size, step in zip(sizes[1:], steps[1:])]
        padded = all(step >= span for step, span in zip(steps, spans)) and steps[:-1] != spans
        if 0 in sizes or not padded:
            raise InputError(
                self._path,
                f"the layout {sizes} with strides {strides} does not account for all of the"
                f" {values.size} values: sizes that fill them exactly need no strides",
            )
        width = values.itemsize
        return np.lib.stride_tricks.as_strided(
            values, sizes, [step * width for step in steps], writeable=False
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


def _transposed(sizes: list[int], strides: list[int]) -> bool:
    """Whether strides say that the first index runs fastest, which dense data would misread."""
    told = [stride for size, stride in zip(sizes, strides) if size > 1 and stride]
    return any(outer < inner for outer, inner in zip(told, told[1:]))
