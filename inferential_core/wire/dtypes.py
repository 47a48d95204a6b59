"""The wire's element types and their numpy counterparts."""

from __future__ import annotations

import numpy as np

from . import inferential_pb2 as pb
from .arrays import SUPPORTED, cannot_be_sent

_BY_WIRE: dict[int, np.dtype] = {
    pb.FLOAT16: np.dtype("<f2"),
    pb.FLOAT32: np.dtype("<f4"),
    pb.FLOAT64: np.dtype("<f8"),
    pb.UINT8: np.dtype("u1"),
    pb.INT32: np.dtype("<i4"),
    pb.INT64: np.dtype("<i8"),
    pb.BOOL: np.dtype("?"),
    pb.UINT16: np.dtype("<u2"),
}

BY_NUMPY = {dtype: wire for wire, dtype in _BY_WIRE.items()}


def to_numpy(wire: int) -> np.dtype:
    """The numpy dtype of a wire DType; TypeError says what to install or send instead."""
    dtype = _BY_WIRE.get(wire)
    if dtype is not None:
        return dtype
    if wire == pb.BFLOAT16:
        return _bfloat16()
    raise TypeError(f"dtype {wire} is unknown; the wire carries {SUPPORTED}")


def to_wire(dtype: np.dtype) -> int:
    """The wire DType of a little-endian numpy dtype; TypeError names the supported ones."""
    wire = BY_NUMPY.get(dtype)
    if wire is None and dtype.name == "bfloat16":
        return pb.BFLOAT16
    if wire is None:
        raise TypeError(cannot_be_sent(dtype))
    return wire


def _bfloat16() -> np.dtype:
    """numpy itself has none; imported when the first one arrives."""
    try:
        import ml_dtypes  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise TypeError(
            "bfloat16 needs the ml_dtypes package: pip install inferential[bfloat16]"
        ) from None
    dtype: np.dtype = np.dtype(ml_dtypes.bfloat16)
    return dtype
