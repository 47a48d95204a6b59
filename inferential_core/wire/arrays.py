"""Decides what can be an array on the wire.

This module is also sent to Ray's replicas by value: it imports numpy, the standard library and
`errors`, and nothing else.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import WireError, text_of

SUPPORTED = "float16, float32, float64, bfloat16, uint8, uint16, int32, int64, bool"

_NAMES = frozenset(SUPPORTED.split(", "))
_NUMPYS_OWN = frozenset(np.dtype(name) for name in _NAMES - {"bfloat16"})


def as_array(key: str, value: Any) -> np.ndarray:
    """`value` as a C-contiguous little-endian array of a dtype the wire carries.

    A tensor of PyTorch may be on another device, need a gradient or be bfloat16, which numpy does
    not have: that becomes float32. WireError names the key of a value that is no such array.
    """
    if type(value) is np.ndarray and value.dtype in _NUMPYS_OWN and value.flags.c_contiguous:
        return value  # as nearly all are
    try:
        array = np.asarray(_detached(value) if hasattr(value, "detach") else value)
    except Exception as error:
        raise WireError(f"{key!r}: {type(value).__name__} is no array: {text_of(error)}") from None
    if array.dtype == object:
        if isinstance(value, int):
            raise WireError(f"{key!r}: this whole number is more than an int64 can hold")
        raise WireError(f"{key!r}: {type(value).__name__} is no array, number or string")
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    if array.dtype.name not in _NAMES:
        raise WireError(f"{key!r}: {cannot_be_sent(array.dtype)}")
    # ascontiguousarray would make a scalar one-dimensional
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def _detached(tensor: Any) -> Any:
    """A tensor of PyTorch as numpy can take it."""
    tensor = tensor.detach().cpu()
    return tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor


def cannot_be_sent(dtype: np.dtype) -> str:
    """What is wrong with a dtype that the wire does not carry."""
    return f"dtype {dtype} cannot be sent; the wire carries {SUPPORTED}"
