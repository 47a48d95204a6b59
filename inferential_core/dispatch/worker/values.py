"""Observations and answers between a server and its child process, as plain data and buffers.

A mapping of arrays, compressed images and plain values becomes a mapping of plain values, in which
an array is `("array", dtype, shape, index of its buffer)` and a compressed image is
`("image", (encoding, resizing), shape, index)`. The buffers are views, or parts of memory that is
shared: nothing is copied here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import (
    ModelUnavailable,
    RejectedError,
    UsageError,
    WireError,
    parts_of,
)
from ...wire import dtypes
from ...wire.arrays import as_array
from ...wire.images import Buffer, EncodedImage, Resizing
from .lending import LentPart, Piece

_ARRAY, _IMAGE, _ERROR = "array", "image", "error"
_PLAIN = (str, bytes, bool, int, float, type(None))

# Errors that mean something to the server keep their class on the way.
_KNOWN = {cls.__name__: cls for cls in (ModelUnavailable, RejectedError, UsageError, WireError)}


class RemoteTraceback(Exception):
    """Where an error came from in the child: the cause of that error here, for the log."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n\n{self.text}"


def pack(values: Mapping[str, Any], buffers: list[Piece]) -> dict[str, Any]:
    """Describe `values` and append what is large to `buffers`.

    values: arrays of a dtype the wire carries, EncodedImage, str, bytes, bool, int, float and None
    by key. WireError names the key of anything else.
    """
    described: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, np.ndarray):
            array = as_array(key, value)
            described[key] = (_ARRAY, dtypes.to_wire(array.dtype), array.shape, len(buffers))
            buffers.append(LentPart.of(array) or array.reshape(-1).view(np.uint8).data)
        elif isinstance(value, EncodedImage):
            resizing = value.resizing and tuple(value.resizing)
            described[key] = (_IMAGE, (value.encoding, resizing), value.shape, len(buffers))
            buffers.append(value.data)
        elif type(value) in _PLAIN:  # marshal takes no others, or as other things
            described[key] = value
        elif isinstance(value, str):
            described[key] = str.__str__(value)
        else:  # a number of numpy, a list of numbers
            described[key] = pack({key: as_array(key, value)}, buffers)[key]
    return described


def unpack(described: Mapping[str, Any], buffers: Sequence[Buffer]) -> dict[str, Any]:
    """What `pack` was given; arrays are read-only views of `buffers`."""
    values: dict[str, Any] = {}
    for key, value in described.items():
        if isinstance(value, tuple):
            kind, of, shape, index = value
            if kind == _ARRAY:
                dtype = dtypes.to_numpy(of)
                value = np.frombuffer(buffers[index], dtype).reshape(shape)
            else:
                encoding, size = of
                resizing = Resizing(*size) if size else None
                value = EncodedImage(buffers[index], encoding, shape, resizing)
        values[key] = value
    return values


def pack_result(result: Mapping[str, Any] | Exception, buffers: list[Piece]) -> Any:
    """As `pack`, and an exception as `("error", class, text, traceback)`."""
    if not isinstance(result, Exception):
        return pack(result, buffers)
    return (_ERROR, *parts_of(result))


def unpack_result(described: Any, buffers: Sequence[Buffer]) -> Mapping[str, Any] | Exception:
    """What `pack_result` was given; an exception has the name of its class, and text and place."""
    if isinstance(described, tuple):
        return as_exception(*described[1:])
    return unpack(described, buffers)


def as_exception(name: str, text: str, trace: str = "") -> Exception:
    """An exception that was raised in the child."""
    cls: type[Exception] = _KNOWN.get(name) or type(name, (Exception,), {"__module__": "remote"})
    error = cls(text)
    if trace:
        error.__cause__ = RemoteTraceback(trace)
    return error
