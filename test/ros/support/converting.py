"""Converters as a contract makes them: options in, decoder or encoder out."""

from __future__ import annotations

from typing import Any

from inferential_ros.convert import OutputContext, input_type, output_type
from inferential_ros.options.types import message_class
from inferential_ros.options.yaml_values import Section


def decoder(type_name: str, **options: Any) -> Any:
    """The decoder of a key at the path `key`; options nobody asks for are an error."""
    section = Section(options, "key")
    decode = input_type(type_name).make(section, message_class(type_name, "type"))
    section.finish()
    return decode


def encoder(
    type_name: str, names: tuple[str, ...] = ("a", "b"), kind: str = "position", **options: Any
) -> Any:
    """The encoder of an output at the path `output`."""
    section = Section(options, "output")
    context = OutputContext(message_class(type_name, "type"), names, kind, 0.02)
    encode = output_type(type_name).make(section, context)
    section.finish()
    return encode
