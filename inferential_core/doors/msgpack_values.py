"""Reads and writes MessagePack with arrays in it, as openpi and GR00T pack them.

What comes from outside is bounded before it is built: items, depth, dimensions, bytes. An array
has one of the plain dtypes and exactly the bytes that its shape takes. Nothing is ever unpickled,
and arrays of objects are refused.

    openpi          {b"__ndarray__": true, b"data": bin, b"dtype": "<f4", b"shape": [7]}
    NumPy files     {"__ndarray_class__": true, "as_npy": bin}         GR00T N1.5, N1.6
    msgpack-numpy   {b"nd": true, b"type": "<f4", b"kind": b"", b"shape": [7], b"data": bin}

Sources: openpi_client/msgpack_numpy.py of openpi-client 0.1.2; gr00t/policy/server_client.py of
Isaac-GR00T N1.6 and N1.7; msgpack_numpy.py of msgpack-numpy 0.4.8.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import msgpack
import numpy as np

from ..errors import RejectedError, UsageError
from ..wire.limits import Limits
from ..wire.nesting import flattened

_DTYPES: dict[str | bytes, np.dtype] = {
    name: np.dtype(text)
    for code in ("b1", "i1", "u1", "i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8")
    for text in (f"|{code}", f"<{code}", code)
    for name in (text, text.encode())
}
_INT, _TEXT, _NESTED = frozenset({int}), frozenset({str}), frozenset({dict, list})
_MOST_ITEMS = 16_384  # arrays, maps and lists, and what is in them, of one message
_TOO_MANY = f"the message has more than {_MOST_ITEMS} items"
_MOST_IN_A_LIST = 4096
_MOST_IN_A_MAP = 256
_MOST_DEPTH = 16
_MSGPACK_NUMPY_KEYS = (b"data", b"type", b"shape", b"kind")
_OPENPI_KEYS, _OPENPI_TEXT_KEYS = (b"data", b"dtype", b"shape"), ("data", "dtype", "shape")
_NPY_HEADER = re.compile(
    rb"\{'descr': '([<|][a-z]\d)', 'fortran_order': (False|True), 'shape': \(([\d, ]*)\), \} *\n"
)


class Codec(Enum):
    """How a client packs arrays; its answers are packed alike."""

    OPENPI = "openpi"
    OPENPI_TEXT = "openpi, with texts as keys"
    NPY = "NumPy files"
    MSGPACK_NUMPY = "msgpack-numpy"


class Unpacked:
    """value: what a message says, with arrays as views. codec: how its arrays were packed.

    RejectedError says what is wrong with it.
    """

    def __init__(self, data: bytes | bytearray | memoryview, limits: Limits) -> None:
        self.codec: Codec | None = None
        self._limits = limits
        self._items = 0
        self._nested = 0  # maps and lists that are no arrays
        try:
            self.value = msgpack.unpackb(
                data,
                object_hook=self._map,
                list_hook=self._list,
                max_array_len=_MOST_IN_A_LIST,
                max_map_len=_MOST_IN_A_MAP,
                max_ext_len=0,
            )
        except RejectedError:
            raise
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            # of msgpack: ExtraData, FormatError, StackError, a key that is no text, a wrong length
            told = str(error) or type(error).__name__
            raise RejectedError(f"the message is no MessagePack: {told}") from None
        if self._nested > _MOST_DEPTH:  # fewer of them cannot be nested more deeply
            _check_depth(self.value, _MOST_DEPTH)

    def _list(self, items: list[Any]) -> list[Any]:
        self._items += 1 + len(items)
        if self._items > _MOST_ITEMS:
            raise RejectedError(_TOO_MANY)
        self._nested += 1
        return items

    def _map(self, items: dict[Any, Any]) -> Any:
        self._items += 1 + len(items)
        if self._items > _MOST_ITEMS:
            raise RejectedError(_TOO_MANY)
        if not _MARKERS.isdisjoint(items):
            for key in items:
                if key in _MARKERS:
                    self.codec, read = _READERS[key]
                    return read(items, self._limits)
        self._nested += 1
        if _TEXT.issuperset(map(type, items)):
            return items
        return {
            key.decode("utf-8", "replace") if type(key) is bytes else key: value
            for key, value in items.items()
        }


def _check_depth(value: Any, left: int) -> None:
    """RejectedError where maps and lists are nested more often than is left."""
    if type(value) not in _NESTED:
        return
    if not left:
        raise RejectedError(f"the message is nested more than {_MOST_DEPTH} times")
    items = value.values() if isinstance(value, dict) else value
    if not _NESTED.isdisjoint(map(type, items)):
        for each in items:
            if type(each) in _NESTED:
                _check_depth(each, left - 1)


def flat(said: Mapping[str, Any], *, texts: bool = True) -> dict[str, Any]:
    """A map as an observation, see `wire.nesting`; RejectedError where it cannot be one."""
    if _NESTED.isdisjoint(map(type, said.values())):
        return dict(said)
    try:
        return flattened(said, "observation", texts=texts)
    except UsageError as error:
        raise RejectedError(str(error)) from None


def packed(value: Any, codec: Codec) -> bytes:
    """A message with arrays packed so; numbers that are arrays without a dimension are numbers."""
    return bytes(msgpack.packb(value, default=_PACK[codec]))


# --- arrays as they come ---


def _field(items: Mapping[Any, Any], key: bytes, name: str) -> Any:
    return items[key] if key in items else items.get(name)


def _array(data: Any, dtype: Any, shape: Any, limits: Limits) -> np.ndarray:
    try:
        found = _DTYPES[dtype]
    except (KeyError, TypeError):
        raise RejectedError(
            f"an array of dtype {_text(dtype)[:32]!r}: little-endian numbers and booleans are read"
        ) from None
    if not isinstance(data, bytes) or not isinstance(shape, list):
        raise RejectedError("an array without its bytes or its shape")
    if len(shape) > limits.max_dimensions:
        raise RejectedError(f"an array of {len(shape)} dimensions, limit {limits.max_dimensions}")
    if not _INT.issuperset(map(type, shape)) or min(shape, default=0) < 0:
        raise RejectedError("an array whose shape is no list of sizes")
    takes = math.prod(shape) * found.itemsize
    if takes != len(data):
        raise RejectedError(f"an array of {takes} bytes by its shape, but {len(data)} bytes came")
    try:
        return np.frombuffer(data, found).reshape(shape) if takes else np.empty(shape, found)
    except (ValueError, OverflowError):  # [0, 1 << 62]: its strides overflow
        raise RejectedError(f"an array of shape {shape} cannot be") from None


def _text(value: Any) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)


def _openpi_array(items: Mapping[Any, Any], limits: Limits) -> np.ndarray:
    data, dtype, shape = map(items.get, _OPENPI_KEYS if b"data" in items else _OPENPI_TEXT_KEYS)
    return _array(data, dtype, shape, limits)


def _openpi_scalar(items: Mapping[Any, Any], limits: Limits) -> Any:
    """A scalar of NumPy: its value stands in the message as it is; a text stays a text."""
    del limits
    value, dtype = _field(items, b"data", "data"), _text(_field(items, b"dtype", "dtype"))
    if isinstance(value, str):
        return value
    return _scalar(value, dtype)


def _scalar(value: Any, dtype: str) -> Any:
    found = _DTYPES.get(dtype)
    if found is None or not isinstance(value, (int, float)):
        raise RejectedError(f"a number of dtype {dtype[:32]!r} that is none")
    try:
        return np.asarray(value, found)
    except (ValueError, OverflowError):
        raise RejectedError(f"{value} does not fit the dtype {dtype}") from None


def _npy_array(items: Mapping[Any, Any], limits: Limits) -> np.ndarray:
    """An array as numpy.save writes it (numpy.lib.format, versions 1.0 to 3.0)."""
    data = _field(items, b"as_npy", "as_npy")
    if not isinstance(data, bytes) or data[:6] != b"\x93NUMPY" or len(data) < 12:
        raise RejectedError("an array that is no NumPy file")
    begin = 10 if data[6] == 1 else 12
    end = begin + int.from_bytes(data[8:begin], "little")
    header = _NPY_HEADER.fullmatch(data[begin:end]) if end - begin < 1024 else None
    if header is None:
        raise RejectedError("an array whose NumPy header is none of plain numbers")
    shape = [int(size) for size in header[3].replace(b",", b" ").split()]
    if header[2] == b"False":
        return _array(data[end:], header[1], shape, limits)
    array = _array(data[end:], header[1], shape[::-1], limits)
    return np.ascontiguousarray(array.T)


def _msgpack_numpy(items: Mapping[Any, Any], limits: Limits) -> Any:
    data, dtype, shape, kind = map(items.get, _MSGPACK_NUMPY_KEYS)
    if kind not in (None, b"", ""):
        raise RejectedError("an array of objects or of records: plain numbers are read")
    if items[b"nd"] is True:
        return _array(data, dtype, shape, limits)
    found = _DTYPES.get(_text(dtype))
    if found is None or not isinstance(data, bytes) or len(data) != found.itemsize:
        raise RejectedError("a number of NumPy whose bytes are none")
    return np.frombuffer(data, found)[0]


_READERS: dict[Any, tuple[Codec, Callable[[Mapping[Any, Any], Limits], Any]]] = {
    b"__ndarray__": (Codec.OPENPI, _openpi_array),
    "__ndarray__": (Codec.OPENPI_TEXT, _openpi_array),
    b"__npgeneric__": (Codec.OPENPI, _openpi_scalar),
    "__npgeneric__": (Codec.OPENPI_TEXT, _openpi_scalar),
    "__ndarray_class__": (Codec.NPY, _npy_array),
    b"nd": (Codec.MSGPACK_NUMPY, _msgpack_numpy),
}
_MARKERS = frozenset(_READERS)

# --- arrays as they leave ---


def _openpi(as_key: Callable[[str], Any]) -> Callable[[Any], Any]:
    marker, data, dtype, shape = map(as_key, ("__ndarray__", "data", "dtype", "shape"))

    def pack(value: Any) -> Any:
        array = _checked(value)
        if array.ndim == 0:
            return array.item()
        return {marker: True, data: array.tobytes(), dtype: array.dtype.str, shape: array.shape}

    return pack


def _as_npy(value: Any) -> Any:
    file = io.BytesIO()
    np.save(file, _checked(value), allow_pickle=False)
    return {"__ndarray_class__": True, "as_npy": file.getvalue()}


def _as_msgpack_numpy(value: Any) -> Any:
    array = _checked(value)
    if array.ndim == 0:
        return {b"nd": False, b"type": array.dtype.str, b"data": array.tobytes()}
    return {
        b"nd": True,
        b"type": array.dtype.str,
        b"kind": b"",
        b"shape": array.shape,
        b"data": array.tobytes(),
    }


def _checked(value: Any) -> np.ndarray:
    """bfloat16 becomes float32, as no client of these protocols knows it."""
    array = np.asarray(value)
    return array if array.dtype.str in _DTYPES else array.astype(np.float32)


_PACK: dict[Codec, Callable[[Any], Any]] = {
    Codec.OPENPI: _openpi(str.encode),
    Codec.OPENPI_TEXT: _openpi(str),
    Codec.NPY: _as_npy,
    Codec.MSGPACK_NUMPY: _as_msgpack_numpy,
}
