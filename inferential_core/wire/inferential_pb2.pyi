"""Generated from proto/inferential.proto by tools/generate_proto.py (`make proto`). Do not edit."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.internal.containers import (
    RepeatedCompositeFieldContainer,
    RepeatedScalarFieldContainer,
    ScalarMap,
)
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message

DESCRIPTOR: FileDescriptor

class DType(int, metaclass=EnumTypeWrapper): ...

DTYPE_UNSPECIFIED: DType
FLOAT16: DType
FLOAT32: DType
FLOAT64: DType
BFLOAT16: DType
UINT8: DType
INT32: DType
INT64: DType
BOOL: DType
UINT16: DType

class Encoding(int, metaclass=EnumTypeWrapper): ...

ENCODING_UNSPECIFIED: Encoding
RAW: Encoding
JPEG: Encoding
PNG: Encoding
RVL: Encoding

class Status(int, metaclass=EnumTypeWrapper): ...

STATUS_UNSPECIFIED: Status
OK: Status
EXPIRED: Status
SUPERSEDED: Status
DROPPED: Status
REJECTED: Status
ERROR: Status

class Client(Message):
    ID_FIELD_NUMBER: ClassVar[int]
    TYPE_FIELD_NUMBER: ClassVar[int]
    id: str
    type: str
    def __init__(
        self,
        *,
        id: str | None = ...,
        type: str | None = ...,
    ) -> None: ...

class Tensor(Message):
    KEY_FIELD_NUMBER: ClassVar[int]
    DTYPE_FIELD_NUMBER: ClassVar[int]
    SHAPE_FIELD_NUMBER: ClassVar[int]
    BYTE_OFFSET_FIELD_NUMBER: ClassVar[int]
    BYTE_LENGTH_FIELD_NUMBER: ClassVar[int]
    TIMESTAMP_NS_FIELD_NUMBER: ClassVar[int]
    ENCODING_FIELD_NUMBER: ClassVar[int]
    FRAME_FIELD_NUMBER: ClassVar[int]
    WIDENED_FROM_FIELD_NUMBER: ClassVar[int]
    key: str
    dtype: DType
    shape: RepeatedScalarFieldContainer[int]
    byte_offset: int
    byte_length: int
    timestamp_ns: int
    encoding: Encoding
    frame: int
    widened_from: DType
    def __init__(
        self,
        *,
        key: str | None = ...,
        dtype: DType | str | int | None = ...,
        shape: Iterable[int] | None = ...,
        byte_offset: int | None = ...,
        byte_length: int | None = ...,
        timestamp_ns: int | None = ...,
        encoding: Encoding | str | int | None = ...,
        frame: int | None = ...,
        widened_from: DType | str | int | None = ...,
    ) -> None: ...

class Observation(Message):
    CLIENT_FIELD_NUMBER: ClassVar[int]
    TIMESTAMP_NS_FIELD_NUMBER: ClassVar[int]
    URGENCY_FIELD_NUMBER: ClassVar[int]
    TENSORS_FIELD_NUMBER: ClassVar[int]
    MODEL_ID_FIELD_NUMBER: ClassVar[int]
    STEPS_REMAINING_FIELD_NUMBER: ClassVar[int]
    METADATA_FIELD_NUMBER: ClassVar[int]
    PRIORITY_FIELD_NUMBER: ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: ClassVar[int]
    LATENCY_BUDGET_MS_FIELD_NUMBER: ClassVar[int]
    CONTROL_PERIOD_MS_FIELD_NUMBER: ClassVar[int]
    SUPERSEDE_FIELD_NUMBER: ClassVar[int]
    EPOCH_FIELD_NUMBER: ClassVar[int]
    CLIENT_SEND_NS_FIELD_NUMBER: ClassVar[int]
    SESSION_FIELD_NUMBER: ClassVar[int]
    ACCEPTS_FRAMES_FIELD_NUMBER: ClassVar[int]
    CLOCK_OFFSET_NS_FIELD_NUMBER: ClassVar[int]
    CLOCK_OFFSET_KNOWN_FIELD_NUMBER: ClassVar[int]
    DESCRIBE_MODEL_FIELD_NUMBER: ClassVar[int]
    FAREWELL_FIELD_NUMBER: ClassVar[int]
    ACCEPTS_UINT16_FIELD_NUMBER: ClassVar[int]
    PING_FIELD_NUMBER: ClassVar[int]
    MOVES_ON_FIELD_NUMBER: ClassVar[int]
    MOVES_FIELD_NUMBER: ClassVar[int]
    CONTROL_FIELD_NUMBER: ClassVar[int]
    client: Client
    timestamp_ns: int
    urgency: float
    tensors: RepeatedCompositeFieldContainer[Tensor]
    model_id: str
    steps_remaining: int
    metadata: ScalarMap[str, str]
    priority: int
    request_id: int
    latency_budget_ms: float
    control_period_ms: float
    supersede: bool
    epoch: int
    client_send_ns: int
    session: int
    accepts_frames: bool
    clock_offset_ns: int
    clock_offset_known: bool
    describe_model: bool
    farewell: bool
    accepts_uint16: bool
    ping: str
    moves_on: bool
    moves: int
    control: str
    def __init__(
        self,
        *,
        client: Client | None = ...,
        timestamp_ns: int | None = ...,
        urgency: float | None = ...,
        tensors: Iterable[Tensor] | None = ...,
        model_id: str | None = ...,
        steps_remaining: int | None = ...,
        metadata: Mapping[str, str] | None = ...,
        priority: int | None = ...,
        request_id: int | None = ...,
        latency_budget_ms: float | None = ...,
        control_period_ms: float | None = ...,
        supersede: bool | None = ...,
        epoch: int | None = ...,
        client_send_ns: int | None = ...,
        session: int | None = ...,
        accepts_frames: bool | None = ...,
        clock_offset_ns: int | None = ...,
        clock_offset_known: bool | None = ...,
        describe_model: bool | None = ...,
        farewell: bool | None = ...,
        accepts_uint16: bool | None = ...,
        ping: str | None = ...,
        moves_on: bool | None = ...,
        moves: int | None = ...,
        control: str | None = ...,
    ) -> None: ...

class ModelResponse(Message):
    CLIENT_FIELD_NUMBER: ClassVar[int]
    RESPONSE_ID_FIELD_NUMBER: ClassVar[int]
    TIMESTAMP_NS_FIELD_NUMBER: ClassVar[int]
    TENSORS_FIELD_NUMBER: ClassVar[int]
    INFERENCE_LATENCY_MS_FIELD_NUMBER: ClassVar[int]
    MODEL_ID_FIELD_NUMBER: ClassVar[int]
    METADATA_FIELD_NUMBER: ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: ClassVar[int]
    STATUS_FIELD_NUMBER: ClassVar[int]
    ERROR_FIELD_NUMBER: ClassVar[int]
    EPOCH_FIELD_NUMBER: ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: ClassVar[int]
    QUEUE_MS_FIELD_NUMBER: ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: ClassVar[int]
    SERVER_RECEIVE_NS_FIELD_NUMBER: ClassVar[int]
    SERVER_SEND_NS_FIELD_NUMBER: ClassVar[int]
    CLIENT_SEND_NS_FIELD_NUMBER: ClassVar[int]
    VALID_FOR_MS_FIELD_NUMBER: ClassVar[int]
    REQUERY_AFTER_STEPS_FIELD_NUMBER: ClassVar[int]
    ACCEPTS_FRAMES_FIELD_NUMBER: ClassVar[int]
    ACCEPTS_FAREWELL_FIELD_NUMBER: ClassVar[int]
    ACCEPTS_UINT16_FIELD_NUMBER: ClassVar[int]
    DRAINING_FIELD_NUMBER: ClassVar[int]
    PONG_FIELD_NUMBER: ClassVar[int]
    ACCEPTS_PING_FIELD_NUMBER: ClassVar[int]
    client: Client
    response_id: str
    timestamp_ns: int
    tensors: RepeatedCompositeFieldContainer[Tensor]
    inference_latency_ms: float
    model_id: str
    metadata: ScalarMap[str, str]
    request_id: int
    status: Status
    error: str
    epoch: int
    model_version: str
    queue_ms: float
    batch_size: int
    server_receive_ns: int
    server_send_ns: int
    client_send_ns: int
    valid_for_ms: float
    requery_after_steps: int
    accepts_frames: bool
    accepts_farewell: bool
    accepts_uint16: bool
    draining: bool
    pong: bool
    accepts_ping: bool
    def __init__(
        self,
        *,
        client: Client | None = ...,
        response_id: str | None = ...,
        timestamp_ns: int | None = ...,
        tensors: Iterable[Tensor] | None = ...,
        inference_latency_ms: float | None = ...,
        model_id: str | None = ...,
        metadata: Mapping[str, str] | None = ...,
        request_id: int | None = ...,
        status: Status | str | int | None = ...,
        error: str | None = ...,
        epoch: int | None = ...,
        model_version: str | None = ...,
        queue_ms: float | None = ...,
        batch_size: int | None = ...,
        server_receive_ns: int | None = ...,
        server_send_ns: int | None = ...,
        client_send_ns: int | None = ...,
        valid_for_ms: float | None = ...,
        requery_after_steps: int | None = ...,
        accepts_frames: bool | None = ...,
        accepts_farewell: bool | None = ...,
        accepts_uint16: bool | None = ...,
        draining: bool | None = ...,
        pong: bool | None = ...,
        accepts_ping: bool | None = ...,
    ) -> None: ...
