"""Messages to frames: values become payload frames and what describes them.

Sending: one tensor is sent from the array's own memory; several are joined into the single
payload frame the published protocol knows, or go as one frame each once the peer has shown that
it understands that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import dtypes
from . import inferential_pb2 as pb
from .arrays import as_array
from .images import Buffer, EncodedImage
from .tensors import Value

# So many bytes of envelopes are written with one message object.
_RENEWED_AFTER = 64 * 1024
# Copying so little costs less than a view of it.
_COPY_UP_TO = 4096

_ENCODINGS = {"jpeg": pb.JPEG, "png": pb.PNG}


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

    def frames(self, values: Mapping[str, Any], *, one_frame_each: bool = False) -> list[Buffer]:
        """Frames of a message, without the identity.

        values: arrays (or numbers), EncodedImage and strings by key; WireError names a key that
        cannot be sent. Large frames are views of the arrays: leave those alone until they are
        sent.
        """
        tensors: dict[str, Value] = {}
        strings: dict[str, str] = {}
        payload: list[Buffer] = []
        alike: list[Any] = [one_frame_each]
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
            payload.append(array.tobytes() if array.nbytes <= _COPY_UP_TO else _view(array))
            alike += key, array.dtype, array.shape
        if alike != self._described:
            self._described = None  # should this fail half-way
            self._describe(tensors, payload, one_frame_each)
            self._described = alike
        message = self.message
        if strings or message.metadata:
            message.metadata.clear()
            message.metadata.update(strings)
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
        self, tensors: Mapping[str, Value], payload: Sequence[Buffer], one_frame_each: bool
    ) -> None:
        descriptors = self.message.tensors
        del descriptors[:]
        offset = 0
        for index, (key, value) in enumerate(tensors.items()):
            tensor = descriptors.add()
            tensor.key = key
            tensor.shape.extend(value.shape)
            tensor.byte_length = length = len(payload[index])
            if isinstance(value, EncodedImage):
                tensor.dtype = pb.UINT8
                tensor.encoding = _ENCODINGS[value.encoding]
            else:
                tensor.dtype = dtypes.to_wire(value.dtype)
                tensor.encoding = pb.RAW
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
