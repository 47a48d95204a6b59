"""Generated from proto/lerobot_async.proto by tools/generate_proto.py (`make proto`). Do not edit."""

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

class TransferState(int, metaclass=EnumTypeWrapper): ...

TRANSFER_UNKNOWN: TransferState
TRANSFER_BEGIN: TransferState
TRANSFER_MIDDLE: TransferState
TRANSFER_END: TransferState

class Part(Message):
    TRANSFER_STATE_FIELD_NUMBER: ClassVar[int]
    DATA_FIELD_NUMBER: ClassVar[int]
    transfer_state: TransferState
    data: bytes
    def __init__(
        self,
        *,
        transfer_state: TransferState | str | int | None = ...,
        data: bytes | None = ...,
    ) -> None: ...

class PolicySetup(Message):
    DATA_FIELD_NUMBER: ClassVar[int]
    data: bytes
    def __init__(
        self,
        *,
        data: bytes | None = ...,
    ) -> None: ...

class Actions(Message):
    DATA_FIELD_NUMBER: ClassVar[int]
    data: bytes
    def __init__(
        self,
        *,
        data: bytes | None = ...,
    ) -> None: ...
