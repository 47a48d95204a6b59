"""Makes arrays of the records in which numpy's pickles describe them.

numpy writes an array in one of two forms, and a scalar in a third (numpy/_core/src/multiarray/
methods.c and numpy/_core/numeric.py, 1.20 to 2.4; `numpy.core` before 2.0):

    _reconstruct(ndarray, (0,), b"b")  with the state (1, shape, dtype, fortran, bytes)
    _frombuffer(bytes, dtype, shape, order[, axes])
    scalar(dtype, bytes)

What is made is a view of the message, without a copy.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import RejectedError
from ...wire.arrays import SUPPORTED
from .pickled import Name, Record

_MOST_DIMENSIONS = 16
_DTYPES = {
    **{code: np.dtype(f"<{code}") for code in ("f2", "f4", "f8", "i4", "i8", "u2")},
    "u1": np.dtype("u1"),
    "b1": np.dtype("?"),
}


def is_array(value: Any) -> bool:
    """Whether a value that was read stands for an array or a scalar of numpy's."""
    return type(value) is Record and value.of.name in ("_reconstruct", "_frombuffer", "scalar")


def array_of(key: str, record: Record) -> np.ndarray:
    """The array, read-only; a scalar has no dimensions. RejectedError names the key."""
    try:
        return _array(record)
    except (TypeError, ValueError) as error:
        if isinstance(error, RejectedError):
            raise RejectedError(f"{key!r}: {error}") from None
        raise RejectedError(f"{key!r} is no array in a form that numpy writes") from None


def _array(record: Record) -> np.ndarray:
    """ValueError or TypeError where the record has another form."""
    arguments = record.arguments
    if record.of.name == "scalar":
        dtype, data = arguments
        return _shaped(data, dtype, (), "C")
    if record.of.name == "_frombuffer":
        data, dtype, shape, order, *axes = arguments
        return _shaped(data, dtype, shape, order, *axes)
    kind, _, _ = arguments
    version, shape, dtype, fortran, data = record.state
    if type(kind) is not Name or kind.name != "ndarray" or version != 1:
        raise ValueError
    return _shaped(data, dtype, shape, "F" if fortran is True else "C")


def _shaped(data: Any, described: Any, shape: Any, order: Any, axes: Any = None) -> np.ndarray:
    dtype = _dtype(described)
    if type(data) is not memoryview or type(shape) is not tuple:
        raise TypeError
    if len(shape) > _MOST_DIMENSIONS:
        raise RejectedError(f"{len(shape)} dimensions, limit {_MOST_DIMENSIONS}")
    if any(type(size) is not int or size < 0 for size in shape):
        raise RejectedError("its shape is not made of sizes")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise RejectedError(f"{len(data)} bytes for {shape} of {dtype}")
    flat = np.frombuffer(data, dtype)
    flat.flags.writeable = False
    if order == "C" or order == "F":
        return flat.reshape(shape, order=order)
    if order != "K" or type(axes) is not tuple or sorted(axes) != list(range(len(shape))):
        raise ValueError
    return flat.reshape(shape).transpose(axes)


def _dtype(described: Any) -> np.dtype:
    """The dtype of dtype(code, False, True) with the state (3, byte order, ...)."""
    if type(described) is not Record or described.of.name != "dtype":
        raise TypeError
    code, *_ = described.arguments
    dtype = _DTYPES.get(code) if type(code) is str else None
    if dtype is None:
        raise RejectedError(f"its dtype cannot be sent; the wire carries {SUPPORTED}")
    state = described.state
    if state is not None and (type(state) is not tuple or state[1:2] == (">",)):
        raise RejectedError("its numbers have their highest byte first")
    return dtype
