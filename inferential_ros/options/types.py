"""Finds message types by name, by import alone. Needs no rclpy."""

from __future__ import annotations

import importlib
from typing import Any

from inferential_ros.options.errors import ContractError, suggestion
from inferential_ros.options.stand_ins import how_to_know_types, stand_in

LIKE_A_TYPE = 0.75  # CompressedVideo is no misspelling of CompressedImage


def message_class(name: str, path: str) -> type[Any]:
    """The Python class of `package/msg/Name`; ContractError at `path` if there is none."""
    parts = name.split("/")
    if len(parts) == 2:  # package/Name, as people write it too
        parts.insert(1, "msg")
    if len(parts) != 3 or parts[1] != "msg" or not all(part.isidentifier() for part in parts):
        raise ContractError(path, f"{name!r} is no message type; write package/msg/Name")
    package, _, message = parts
    try:
        module = importlib.import_module(f"{package}.msg")
    except ImportError as error:
        known_without_ros = stand_in(f"{package}/msg/{message}")
        if known_without_ros is not None:
            return known_without_ros
        told = f"{name!r}: cannot import {package}.msg ({error}): {how_to_know_types()}"
        raise ContractError(path, told) from None
    found = getattr(module, message, None)
    if not hasattr(found, "get_fields_and_field_types"):
        known = [item for item in vars(module) if item[0].isupper() and not item.endswith("_")]
        raise ContractError(
            path,
            f"package {package} has no message {message!r};"
            f" {suggestion(message, known, LIKE_A_TYPE)}",
        )
    return found


def action_class(name: str, path: str) -> type[Any]:
    """The Python class of `package/action/Name`; ContractError at `path` if there is none."""
    package, _, action = name.partition("/action/")
    if not package.isidentifier() or not action.isidentifier():
        raise ContractError(path, f"{name!r} is no action type; write package/action/Name")
    try:
        module = importlib.import_module(f"{package}.action")
    except ImportError as error:
        raise ContractError(path, f"{name!r}: cannot import {package}.action ({error})") from None
    found: Any = getattr(module, action, None)
    if not hasattr(found, "Goal"):
        known = [item for item in vars(module) if item[0].isupper() and "_" not in item]
        raise ContractError(
            path, f"package {package} has no action {action!r}; {suggestion(action, known)}"
        )
    return found


def type_name(name: str) -> str:
    """`package/msg/Name`, also for the short form; an action's name as it is."""
    package, _, message = name.partition("/")
    return f"{package}/msg/{message}" if "/" not in message else name
