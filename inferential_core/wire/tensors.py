"""Reads tensors from the frames in which they came, as views."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import RejectedError
from . import dtypes
from . import inferential_pb2 as pb
from .arrays import as_array
from .images import Buffer, EncodedImage
from .limits import Limits

Value = np.ndarray | EncodedImage

_PLAIN = (pb.RAW, pb.ENCODING_UNSPECIFIED)
_ENCODING_NAMES = {pb.JPEG: "jpeg", pb.PNG: "png", pb.RVL: "rvl"}


def unpack(
    descriptors: Sequence[Any], frames: Sequence[Buffer], limits: Limits
) -> dict[str, Value]:
    """The tensors that `descriptors` describe, as views into `frames`.

    RejectedError names the key of the first one that does not fit its bytes or the limits.
    """
    check_count(len(descriptors), limits)
    values: dict[str, Value] = {}
    for tensor in descriptors[:]:  # a list: protobuf's own iterator takes three times as long
        description = tensor.SerializeToString()
        layout = _known_layouts.get(description)
        if layout is None:
            key = tensor.key
            value = _unpack_one(key, tensor, frames, limits)
            if tensor.widened_from == pb.UINT16:
                value = _narrowed(key, value)
            elif len(description) <= _MOST_REMEMBERED and type(value) is np.ndarray and value.size:
                _remember(description, tensor, value)
        else:
            key, index, offset, end, dtype, shape = layout
            check_dimensions(key, shape, limits)
            if index >= len(frames) or end > len(frames[index]):
                raise _beyond(key, frames, index, offset, end)
            value = np.ndarray(shape, dtype, frames[index], offset)
        if key in values:
            raise RejectedError(f"tensor {key!r} is there twice")
        values[key] = value
    return values


class _Layout(NamedTuple):
    """What a description said that was found right: reading its fields again costs twice all
    else, and a client describes its tensors in the same words every time.
    """

    key: str
    frame: int
    offset: int
    end: int
    dtype: np.dtype
    shape: tuple[int, ...]


# By the bytes of the description. Bounded, as these come from outside; forgotten all at once.
_known_layouts: dict[bytes, _Layout] = {}
_MOST_LAYOUTS = 4096
_MOST_REMEMBERED = 256  # bytes of a description


def _remember(description: bytes, tensor: Any, value: np.ndarray) -> None:
    if len(_known_layouts) >= _MOST_LAYOUTS:
        _known_layouts.clear()
    offset = tensor.byte_offset
    end = offset + tensor.byte_length
    _known_layouts[description] = _Layout(
        tensor.key, tensor.frame, offset, end, value.dtype, value.shape
    )


def check_count(count: int, limits: Limits) -> None:
    """RejectedError where an observation has more tensors than it may have."""
    if count > limits.max_tensors:
        raise RejectedError(f"{count} tensors, limit {limits.max_tensors}")


def check_dimensions(key: str, shape: Sequence[int], limits: Limits) -> None:
    """RejectedError where a tensor has more dimensions than it may have."""
    if len(shape) > limits.max_dimensions:
        raise RejectedError(f"{key!r}: {len(shape)} dimensions, limit {limits.max_dimensions}")


def check_image(key: str, shape: Sequence[int], limits: Limits) -> None:
    """RejectedError where an image that travels compressed has no shape that it may have."""
    if len(shape) not in (2, 3) or 0 in shape:
        raise _no_image(key, shape)
    if shape[0] * shape[1] > limits.max_image_pixels:
        raise RejectedError(
            f"{key!r}: {shape[0]} x {shape[1]} pixels, limit {limits.max_image_pixels}"
        )


def _no_image(key: str, shape: Sequence[int]) -> RejectedError:
    return RejectedError(
        f"{key!r}: an image is uint8 or uint16 of H x W or H x W x C, not {list(shape)}"
    )


def _beyond(
    key: str, frames: Sequence[Buffer], index: int, offset: int, end: int
) -> RejectedError:
    """Why bytes `offset` to `end` of payload frame `index` are not there."""
    if index >= len(frames):
        return RejectedError(f"{key!r}: payload frame {index} of {len(frames)}")
    size = len(frames[index])
    return RejectedError(f"{key!r}: bytes {offset} to {end} of a payload of {size} bytes")


def _unpack_one(key: str, tensor: Any, frames: Sequence[Buffer], limits: Limits) -> Value:
    offset, length = tensor.byte_offset, tensor.byte_length
    end = offset + length
    shape = tuple(tensor.shape[:])
    check_dimensions(key, shape, limits)
    if shape and min(shape) < 0:
        raise RejectedError(f"{key!r}: negative size in shape {list(shape)}")
    index = tensor.frame
    frame = frames[index] if index < len(frames) else b""
    if end > len(frame):
        raise _beyond(key, frames, index, offset, end)
    encoding = tensor.encoding
    if encoding not in _PLAIN:
        if encoding not in _ENCODING_NAMES:
            raise RejectedError(f"{key!r}: encoding {encoding} is unknown")
        return _unpack_image(tensor, shape, memoryview(frame)[offset : offset + length], limits)
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
        array = np.frombuffer(frame, dtype, count, offset)
        return array if len(shape) == 1 else array.reshape(shape)
    except ValueError as error:  # such as [0, 1 << 62], whose strides overflow
        raise RejectedError(f"{key!r}: shape {list(shape)}: {error}") from None


def _narrowed(key: str, widened: Value) -> np.ndarray:
    """The uint16 that its sender widened; RejectedError where it is none."""
    if isinstance(widened, np.ndarray) and widened.dtype == np.int32:
        narrow = widened.astype(np.uint16)
        if (narrow == widened).all():
            return narrow
    raise RejectedError(f"{key!r}: its values do not fit uint16, of which it was made")


def _unpack_image(
    tensor: Any, shape: tuple[int, ...], data: memoryview, limits: Limits
) -> EncodedImage:
    key = tensor.key
    if tensor.dtype not in (pb.UINT8, pb.UINT16):
        raise _no_image(key, shape)
    check_image(key, shape, limits)
    image = EncodedImage(data, _ENCODING_NAMES[tensor.encoding], shape)
    if tensor.dtype != dtypes.to_wire(image.dtype):
        raise RejectedError(f"{key!r}: the image is {image.dtype}, its descriptor says otherwise")
    return image


# So many bytes of envelopes are written with one message object.
_RENEWED_AFTER = 64 * 1024
# Copying so little costs less than a view of it.
_COPY_UP_TO = 4096

_ENCODINGS = {"jpeg": pb.JPEG, "png": pb.PNG, "rvl": pb.RVL}


class MessageWriter:
    """Writes messages that have much in common, one after the other.

    message: protobuf Observation or ModelResponse with all that they have in common. Whatever
    differs is set on it before `frames`, and stays until it is set again; descriptions of the
    values are written anew only where keys, dtypes or shapes are others than the last time.
    Take `message` from here each time: it is a copy now and then.
    """

    def __init__(self, message: Any) -> None:
        self.message = message
        self._described: list[Any] | None = None
        self._written = 0  # bytes, with this message

    def frames(
        self, values: Mapping[str, Any], *, one_frame_each: bool = False, uint16: bool = False
    ) -> list[Buffer]:
        """Frames of a message, without the identity.

        values: arrays (or numbers), EncodedImage and strings by key; WireError names a key that
        cannot be sent. Large frames are views of the arrays: leave those alone until they are
        sent. uint16: whether the peer accepts that dtype; for others it becomes int32.
        """
        tensors: dict[str, Value] = {}
        strings: dict[str, str] = {}
        payload: list[Buffer] = []
        alike: list[Any] = [one_frame_each, uint16]
        for key, value in values.items():
            if isinstance(value, str):
                strings[key] = value
                continue
            if isinstance(value, EncodedImage):
                tensors[key] = value
                payload.append(value.data)
                alike += key, value.encoding, value.shape, len(value.data)
                continue
            tensors[key] = array = as_array(key, value)
            alike += key, array.dtype, array.shape
            if not uint16 and array.dtype == np.uint16:
                array = array.astype(np.int32)
            payload.append(array.tobytes() if array.nbytes <= _COPY_UP_TO else _view(array))
        if alike != self._described:
            self._described = None  # should this fail half-way
            self._describe(tensors, payload, one_frame_each, uint16)
            self._described = alike
        message = self.message
        if strings or message.metadata:
            metadata = message.metadata
            metadata.clear()
            for key, text in strings.items():  # protobuf's own update takes five times as long
                metadata[key] = text
        if len(payload) != 1 and not (one_frame_each and payload):
            payload = [b"".join(payload)]
        envelope = message.SerializeToString()
        self._written += len(envelope)
        if self._written > _RENEWED_AFTER:
            self._renew()
        return [b"", envelope, *payload]

    def _renew(self) -> None:
        # A protobuf message keeps the memory of every string it ever held.
        fresh = type(self.message)()
        fresh.CopyFrom(self.message)
        self.message = fresh
        self._written = 0

    def _describe(
        self,
        tensors: Mapping[str, Value],
        payload: Sequence[Buffer],
        one_frame_each: bool,
        uint16: bool,
    ) -> None:
        descriptors = self.message.tensors
        del descriptors[:]
        offset = 0
        for index, (key, value) in enumerate(tensors.items()):
            tensor = descriptors.add()
            tensor.key = key
            tensor.shape.extend(value.shape)
            tensor.byte_length = length = len(payload[index])
            tensor.dtype = dtypes.to_wire(value.dtype)
            if isinstance(value, EncodedImage):
                tensor.encoding = _ENCODINGS[value.encoding]
            else:
                tensor.encoding = pb.RAW
                if not uint16 and tensor.dtype == pb.UINT16:
                    tensor.dtype, tensor.widened_from = pb.INT32, pb.UINT16
            if one_frame_each and len(payload) > 1:
                tensor.frame = index
            else:
                tensor.byte_offset = offset
                offset += length


def _view(array: np.ndarray) -> Buffer:
    try:
        return array.data.cast("B")
    except ValueError:  # memoryview knows no bfloat16
        return array.reshape(-1).view(np.uint8).data
