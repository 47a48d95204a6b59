"""Declaring parameters: each with a description, typed, and read-only unless said otherwise."""

from __future__ import annotations

from typing import Any

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter


def declare(
    node: Node,
    name: str,
    default: Any,
    description: str,
    *,
    between: tuple[float, float] | None = None,
) -> None:
    """A parameter that is fixed at start; `between` bounds a number."""
    descriptor = ParameterDescriptor(description=description, read_only=True)
    if between is not None:
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=between[0], to_value=between[1])
        ]
    node.declare_parameter(name, default, descriptor)


def declare_texts(node: Node, name: str, description: str) -> None:
    """A list of texts, empty by default, which rclpy cannot tell from an empty list of bytes."""
    descriptor = ParameterDescriptor(description=description, read_only=True)
    node.declare_parameter(name, Parameter.Type.STRING_ARRAY, descriptor)


def texts(node: Node, name: str) -> list[str]:
    """The value of such a list."""
    value = node.get_parameter_or(name, None)
    return [text for text in (value.value or []) if text] if value is not None else []
