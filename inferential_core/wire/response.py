"""The message ModelResponse: what the server writes and what a client reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError

from ..errors import MalformedError
from ..status import Status
from . import inferential_pb2 as pb
from . import tensors
from .images import Buffer, EncodedImage, decode
from .limits import DEFAULT_LIMITS, Limits
from .writer import MessageWriter

STATUS_TO_WIRE = {
    Status.OK: pb.OK,
    Status.EXPIRED: pb.EXPIRED,
    Status.SUPERSEDED: pb.SUPERSEDED,
    Status.DROPPED: pb.DROPPED,
    Status.REJECTED: pb.REJECTED,
    Status.ERROR: pb.ERROR,
}
# A published server sends no status: whatever it sends is a result.
_STATUS_FROM_WIRE = {wire: status for status, wire in STATUS_TO_WIRE.items()} | {
    pb.STATUS_UNSPECIFIED: Status.OK
}


def response_writer(model_id: str) -> MessageWriter:
    """For the replies of a model; its `message` is a ModelResponse (status: STATUS_TO_WIRE)."""
    return MessageWriter(pb.ModelResponse(model_id=model_id, accepts_frames=True))


def parse_response(frames: Sequence[Buffer]) -> Any:
    """The protobuf message in `frames`; MalformedError where there is none."""
    if len(frames) < 2 or len(frames[0]) != 0:
        raise MalformedError(f"{len(frames)} frames: a reply has '', envelope, payload")
    try:
        message = pb.ModelResponse.FromString(bytes(frames[1]))
    except DecodeError:
        raise MalformedError(
            f"the envelope of {len(frames[1])} bytes is no ModelResponse"
        ) from None
    if not message.model_id:
        raise MalformedError("the reply names no model")
    return message


def status_of(message: Any) -> Status:
    """Outcome told by a reply; ERROR for one that is newer than this client."""
    return _STATUS_FROM_WIRE.get(message.status, Status.ERROR)


def decode_result(
    message: Any, frames: Sequence[Buffer], limits: Limits = DEFAULT_LIMITS
) -> dict[str, Any]:
    """Arrays (images decoded) and strings by key; WireError names the key that is broken."""
    values: dict[str, Any] = tensors.unpack(message.tensors, frames[2:], limits)
    for key, value in values.items():
        if isinstance(value, EncodedImage):
            values[key] = decode(value)
    if message.metadata:
        values.update(message.metadata)
    return values
