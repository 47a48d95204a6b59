"""Tensors to frames and back, without copying what is large.

Sending: one tensor is sent from the array's own memory; several are joined into the single
payload frame the published protocol knows, or go as one frame each once the peer has shown that
it understands that. Receiving: arrays are views into the frame they came in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import RejectedError, WireError
from . import dtypes
from . import inferential_pb2 as pb
from .images import Buffer, EncodedImage
from .limits import Limits

Value = np.ndarray | EncodedImage

_ENCODINGS = {"jpeg": pb.JPEG, "png": pb.PNG}
_ENCODING_NAMES = {wire: name for name, wire in _ENCODINGS.items()}


def split_values(values: Mapping[str, Any]) -> tuple[dict[str, Value], dict[str, str]]:
    """Sort keyword values into tensors and metadata strings.

    Arrays, numbers, booleans and sequences of numbers become tensors; EncodedImage stays as it
    is. WireError names the key of anything else.
    """
    tensors: dict[str, Value] = {}
    strings: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, str):
            strings[key] = value
        elif isinstance(value, EncodedImage):
            tensors[key] = value
        else:
            tensors[key] = as_array(key, value)
    return tensors, strings


def as_array(key: str, value: Any) -> np.ndarray:
    """`value` as a C-contiguous little-endian array of a dtype the wire carries."""
    try:
        array = np.asarray(value)
    except Exception as error:
        raise WireError(f"{key!r}: {type(value).__name__} is no array: {error}") from None
    if array.dtype == object:
        raise WireError(f"{key!r}: {type(value).__name__} is no array, number or string")
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    try:
        dtypes.to_wire(array.dtype)
    except TypeError as error:
        raise WireError(f"{key!r}: {error}") from None
    # ascontiguousarray would make a scalar one-dimensional
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def pack(tensors: Mapping[str, Value], descriptors: Any, *, one_frame_each: bool) -> list[Buffer]:
    """Describe `tensors` (from `split_values`) in `descriptors` and return the payload frames.

    The frames are views of the arrays where possible: leave the arrays alone until they are sent.
    """
    if len(tensors) <= 1:
        one_frame_each = False
    buffers: list[Buffer] = []
    offset = 0
    for key, value in tensors.items():
        if isinstance(value, EncodedImage):
            data: Buffer = value.data
            length = len(data)
            wire: int = pb.UINT8
            encoding = _ENCODINGS[value.encoding]
        else:
            length = value.nbytes
            data = _bytes_view(value)
            wire = dtypes.to_wire(value.dtype)
            encoding = pb.RAW
        tensor = descriptors.add()
        tensor.key = key
        tensor.dtype = wire
        tensor.shape.extend(value.shape)
        tensor.byte_length = length
        tensor.encoding = encoding
        if one_frame_each:
            tensor.frame = len(buffers)
        else:
            tensor.byte_offset = offset
        buffers.append(data)
        if not one_frame_each:
            offset += length
    if one_frame_each or len(buffers) == 1:
        return buffers
    return [b"".join(buffers)]


def _bytes_view(array: np.ndarray) -> Buffer:
    if array.nbytes == 0:
        return b""
    # uint8 view: memoryview itself knows neither bfloat16 nor big enough casts
    return array.reshape(-1).view(np.uint8).data


def unpack(
    descriptors: Sequence[Any], frames: Sequence[Buffer], limits: Limits
) -> dict[str, Value]:
    """The tensors that `descriptors` describe, as views into `frames`.

    RejectedError names the key of the first one that does not fit its bytes or the limits.
    """
    if len(descriptors) > limits.max_tensors:
        raise RejectedError(f"{len(descriptors)} tensors, limit {limits.max_tensors}")
    values: dict[str, Value] = {}
    for tensor in descriptors:
        if tensor.key in values:
            raise RejectedError(f"tensor {tensor.key!r} is there twice")
        values[tensor.key] = _unpack_one(tensor, frames, limits)
    return values


def _unpack_one(tensor: Any, frames: Sequence[Buffer], limits: Limits) -> Value:
    key, offset, length = tensor.key, tensor.byte_offset, tensor.byte_length
    shape = tuple(tensor.shape)
    if len(shape) > limits.max_dimensions:
        raise RejectedError(f"{key!r}: {len(shape)} dimensions, limit {limits.max_dimensions}")
    if shape and min(shape) < 0:
        raise RejectedError(f"{key!r}: negative size in shape {list(shape)}")
    frame: Buffer = b""
    if tensor.frame < len(frames):
        frame = frames[tensor.frame]
    elif length:
        raise RejectedError(f"{key!r}: payload frame {tensor.frame} of {len(frames)}")
    if offset + length > len(frame):
        raise RejectedError(
            f"{key!r}: bytes {offset} to {offset + length} of a payload of {len(frame)} bytes"
        )
    if tensor.encoding in _ENCODING_NAMES:
        return _unpack_image(tensor, shape, memoryview(frame)[offset : offset + length], limits)
    if tensor.encoding not in (pb.ENCODING_UNSPECIFIED, pb.RAW):
        raise RejectedError(f"{key!r}: encoding {tensor.encoding} is unknown")
    try:
        dtype = dtypes.to_numpy(tensor.dtype)
    except TypeError as error:
        raise RejectedError(f"{key!r}: {error}") from None
    count = math.prod(shape)
    if count * dtype.itemsize != length:
        raise RejectedError(
            f"{key!r}: {dtype} {list(shape)} takes {count * dtype.itemsize} bytes,"
            f" the descriptor says {length}"
        )
    try:
        if count == 0:
            return np.empty(shape, dtype)
        return np.frombuffer(frame, dtype, count, offset).reshape(shape)
    except ValueError as error:  # such as [0, 1 << 62], whose strides overflow
        raise RejectedError(f"{key!r}: shape {list(shape)}: {error}") from None


def _unpack_image(
    tensor: Any, shape: tuple[int, ...], data: memoryview, limits: Limits
) -> EncodedImage:
    key = tensor.key
    if len(shape) not in (2, 3) or 0 in shape or tensor.dtype != pb.UINT8:
        raise RejectedError(f"{key!r}: an image is uint8 of H x W or H x W x C, not {list(shape)}")
    if shape[0] * shape[1] > limits.max_image_pixels:
        raise RejectedError(
            f"{key!r}: {shape[0]} x {shape[1]} pixels, limit {limits.max_image_pixels}"
        )
    return EncodedImage(data, _ENCODING_NAMES[tensor.encoding], shape)
