"""Declares parameters, each typed and with a description, and read-only by default."""

from __future__ import annotations

from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from inferential_core.suggestion import nearest
from inferential_ros.lifecycle import WrongSetup


def declare(
    node: Node,
    name: str,
    default: Any,
    description: str,
    *,
    between: tuple[float, float] | None = None,
    fixed: bool = True,
    any_type: bool = False,
) -> None:
    """A parameter; fixed: from the start of the node on. `between` bounds a number.

    any_type: towards rclpy, so that a text may be given as a list of texts.
    """
    descriptor = ParameterDescriptor(
        description=description, read_only=fixed, dynamic_typing=any_type
    )
    if between is not None and isinstance(default, int):
        whole = IntegerRange(from_value=int(between[0]), to_value=int(between[1]))
        descriptor.integer_range = [whole]
    elif between is not None:
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=between[0], to_value=between[1])
        ]
    node.declare_parameter(name, default, descriptor)


def warn_of_misspelt(node: Node) -> None:
    """Once all parameters are declared: say which of those given are none, but nearly one.

    ROS ignores what it does not know; a file may give several nodes the parameters of all.
    """
    given = getattr(node, "_parameter_overrides", {})  # rclpy has no other name for them
    known = set(node._parameters)
    for name in given.keys() - known:
        told = nearest(name, known)
        if told.startswith("did you mean"):
            node.get_logger().warning(f"parameter {name!r} is unknown and changes nothing: {told}")


def declare_texts(node: Node, name: str, description: str) -> None:
    """A list of texts, empty by default, which rclpy cannot tell from an empty list of bytes.

    Of any type towards rclpy, so that one text may be given without the brackets of a list.
    """
    descriptor = ParameterDescriptor(description=description, read_only=True, dynamic_typing=True)
    node.declare_parameter(name, None, descriptor)


def texts(node: Node, name: str) -> list[str]:
    """The value of such a list; WrongSetup if it is neither texts nor a text."""
    value = node.get_parameter(name).value
    if isinstance(value, str):
        value = [value]
    items = list(value or [])
    if not all(isinstance(item, str) for item in items):
        raise WrongSetup(f"parameter {name}: expected a list of texts, got {items!r}")
    return [text for text in items if text]


def declare_word(node: Node, name: str, description: str) -> None:
    """A text, empty by default, that may be `off`, which YAML reads as a boolean.

    Of any type towards rclpy: `-p NAME:=off` and `NAME: off` in a file arrive as False.
    """
    descriptor = ParameterDescriptor(description=description, read_only=True, dynamic_typing=True)
    node.declare_parameter(name, "", descriptor)


def word(node: Node, name: str) -> str:
    """The value of such a text; WrongSetup if it is neither text nor off."""
    value = node.get_parameter(name).value
    if value is False:
        return "off"
    if not isinstance(value, str):
        raise WrongSetup(f"parameter {name}: expected a text, got {value!r}")
    return value
