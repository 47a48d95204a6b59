"""The message Observation: what a client writes and what the server reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from google.protobuf.message import DecodeError

from ..errors import MalformedError, RejectedError
from ..status import Status
from . import inferential_pb2 as pb
from . import tensors
from .images import Buffer, EncodedImage, decode
from .limits import DEFAULT_LIMITS, Limits
from .tensors import MessageWriter

_LEFT = 32  # characters of a name that is cut

_observation = pb.Observation.FromString


@dataclass(slots=True)
class ObservationHeader:
    """Everything an observation says beside its values; times as on the wire."""

    client_id: str
    model_id: str
    client_type: str = ""
    timestamp_ns: int = 0
    urgency: float = 0.0
    steps_remaining: int | None = None
    priority: int | None = None
    request_id: int = 0
    latency_budget_ms: float = 0.0
    control_period_ms: float = 0.0
    supersede: bool = False
    epoch: int = 0
    client_send_ns: int = 0
    session: int = 0
    accepts_frames: bool = False
    accepts_uint16: bool = False
    clock_offset_ns: int | None = None  # server's monotonic clock minus the client's
    describe_model: bool = False
    farewell: bool = False
    ping: str = ""
    moves_on: bool = False


def observation_writer(header: ObservationHeader) -> MessageWriter:
    """For observations that begin with `header`; its `message` is an Observation."""
    return MessageWriter(observation_message(header))


def encode_observation(
    header: ObservationHeader, values: Mapping[str, Any], *, one_frame_each: bool = False
) -> list[Buffer]:
    """Frames of a single observation, see `MessageWriter.frames`."""
    return observation_writer(header).frames(values, one_frame_each=one_frame_each)


def observation_message(header: ObservationHeader) -> Any:
    """The protobuf Observation that says this, without values."""
    message = pb.Observation(
        client=pb.Client(id=header.client_id, type=header.client_type),
        clock_offset_known=header.clock_offset_ns is not None,
    )
    for field in fields(header):
        value = getattr(header, field.name)
        if value is not None and field.name not in ("client_id", "client_type"):
            setattr(message, field.name, value)
    return message


def parse_observation(frames: Sequence[Buffer], limits: Limits = DEFAULT_LIMITS) -> Any:
    """The protobuf message in `frames` (identity taken off); MalformedError where there is none.

    An observation counts as received from here on: it has a client (its socket's identity, if it
    names none) and a model. A farewell, a ping and what an operator asks need no model, and are
    no observations.
    """
    if not frames:
        raise MalformedError("more frames than any observation has")
    if len(frames) < 2 or len(frames[0]):
        raise MalformedError(f"{len(frames)} frames: an observation has '', envelope, payload")
    envelope = frames[1]
    if len(envelope) > limits.max_envelope_bytes:
        raise MalformedError(
            f"an envelope of {len(envelope)} bytes, limit {limits.max_envelope_bytes}"
        )
    try:
        message = _observation(bytes(envelope))
    except DecodeError:
        raise MalformedError(f"the envelope of {len(envelope)} bytes is no Observation") from None
    if not (message.model_id or message.farewell or message.ping or message.control):
        raise MalformedError("the observation names no model")
    return message


def decode_values(message: Any, frames: Sequence[Buffer], limits: Limits) -> dict[str, Any]:
    """The observation as its model sees it: arrays, EncodedImage and strings by key.

    Arrays are views into the payload frames. RejectedError says which key broke which rule.
    """
    check_size(sum(map(len, frames)), limits)
    values: dict[str, Any] = tensors.unpack(message.tensors, frames[2:], limits)
    if message.metadata:
        _add_strings(values, message.metadata, limits)
    return values


def check_size(size: int, limits: Limits) -> None:
    """RejectedError where an observation has more bytes than it may have."""
    if size > limits.max_message_bytes:
        raise RejectedError(f"an observation of {size} bytes, limit {limits.max_message_bytes}")


def check_texts(text_bytes: int, limits: Limits) -> None:
    """RejectedError where the strings of an observation are longer than they may be."""
    if text_bytes > limits.max_metadata_bytes:
        raise RejectedError(f"{text_bytes} bytes of strings, limit {limits.max_metadata_bytes}")


def cut_names(message: Any, limits: Limits) -> str:
    """Cut the names in a message that are too long; why it is rejected therefore, or ''.

    To be called before anybody keeps, logs, compares or answers with them. A client id that is
    too long is taken out, so that what is left of it is nobody else's.
    """
    problem = ""
    client = message.client
    if len(client.type) > limits.max_id_bytes:  # free text, nobody goes by it
        client.type = client.type[: limits.max_id_bytes]
    if _too_long(client.id, limits):
        client.id = ""
        problem = f"the client id is longer than {limits.max_id_bytes} bytes"
    if _too_long(message.model_id, limits):
        message.model_id = message.model_id[:_LEFT] + "…"
        problem = f"the model id is longer than {limits.max_id_bytes} bytes"
    return problem


def _too_long(text: str, limits: Limits) -> bool:
    # no character takes more than four bytes, and none less than one
    most = limits.max_id_bytes
    return len(text) > most or (4 * len(text) > most and len(text.encode()) > most)


def _add_strings(values: dict[str, Any], metadata: Mapping[str, str], limits: Limits) -> None:
    metadata_bytes = 0
    for key, text in metadata.items():
        if key in values:
            raise RejectedError(f"{key!r} is both a tensor and a string")
        metadata_bytes += len(key) + len(text)
        values[key] = text
    check_texts(metadata_bytes, limits)


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
    return MessageWriter(
        pb.ModelResponse(
            model_id=model_id,
            accepts_frames=True,
            accepts_farewell=True,
            accepts_uint16=True,
            accepts_ping=True,
        )
    )


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
    if not (message.model_id or message.draining):
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
