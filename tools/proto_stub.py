"""The type stub (.pyi) of a generated wire module, so that mypy knows its messages.

Reads a file descriptor, writes text; touches no file. Supports what our proto uses: top-level
enums and messages, scalars, repeated fields, maps of scalars.
"""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto
from google.protobuf.descriptor_pb2 import FileDescriptorProto as File

HEADER = '''\
"""Generated from proto/{name} by tools/generate_proto.py (`make proto`). Do not edit."""

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
'''

FLOATS = {FieldDescriptorProto.TYPE_DOUBLE, FieldDescriptorProto.TYPE_FLOAT}
NAMED = {
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_STRING: "str",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
}


def scalar(field: FieldDescriptorProto) -> str:
    """The Python type of one value of a field."""
    if field.type_name:
        return field.type_name.rpartition(".")[2]
    if field.type in FLOATS:
        return "float"
    return NAMED.get(field.type, "int")


def types(field: FieldDescriptorProto, maps: dict[str, DescriptorProto]) -> tuple[str, str]:
    """(type of the attribute, type accepted by the constructor) of a field."""
    value = scalar(field)
    if value in maps:
        key, item = (scalar(part) for part in maps[value].field)
        return f"ScalarMap[{key}, {item}]", f"Mapping[{key}, {item}]"
    given = f"{value} | str | int" if field.type == FieldDescriptorProto.TYPE_ENUM else value
    if field.label != FieldDescriptorProto.LABEL_REPEATED:
        return value, given
    nested = field.type == FieldDescriptorProto.TYPE_MESSAGE
    kind = "Composite" if nested else "Scalar"
    return f"Repeated{kind}FieldContainer[{value}]", f"Iterable[{given}]"


def message_lines(message: DescriptorProto) -> Iterator[str]:
    """The class of one message."""
    maps = {nested.name: nested for nested in message.nested_type if nested.options.map_entry}
    fields = [(field.name, *types(field, maps)) for field in message.field]
    yield f"\nclass {message.name}(Message):"
    for name, _, _ in fields:
        yield f"    {name.upper()}_FIELD_NUMBER: ClassVar[int]"
    for name, attribute, _ in fields:
        yield f"    {name}: {attribute}"
    yield "    def __init__("
    yield "        self,"
    yield "        *,"
    for name, _, given in fields:
        yield f"        {name}: {given} | None = ...,"
    yield "    ) -> None: ..."


def stub(file: File, name: str) -> str:
    """The whole stub."""
    lines = [HEADER.format(name=name).rstrip()]
    for enum in file.enum_type:
        lines.append(f"\nclass {enum.name}(int, metaclass=EnumTypeWrapper): ...\n")
        lines.extend(f"{value.name}: {enum.name}" for value in enum.value)
    for message in file.message_type:
        lines.extend(message_lines(message))
    return "\n".join(lines) + "\n"
