"""What the ROS graph tells of a contract's topics: types, who is absent, what may be meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node

from inferential_ros.contract.schema import ObservationKey, Output
from inferential_ros.options.errors import ContractError, suggestion


def topic_of(node: Node, key: ObservationKey | Output) -> str:
    """The full name of its topic, or of its action."""
    return node.resolve_topic_name(key.topic)


def check_input_type(node: Node, key: ObservationKey) -> bool:
    """Whether somebody publishes the topic; ContractError if only as another type."""
    return _check_type(node.get_publishers_info_by_topic, node, key, "published")


def check_output_type(node: Node, output: Output) -> bool:
    """Whether somebody subscribes to the topic, or offers the action; ContractError if only as
    another type.
    """
    if output.action is not None:
        return _check_action(node, output)
    return _check_type(node.get_subscriptions_info_by_topic, node, output, "subscribed to")


def _check_type(
    ends: Callable[[str], list[Any]], node: Node, key: ObservationKey | Output, done: str
) -> bool:
    topic = topic_of(node, key)
    types = {info.topic_type for info in ends(topic)}
    if types and key.type not in types:
        raise ContractError(
            f"{key.path}.type",
            f"{topic} is {done} as {', '.join(sorted(types))}, not as {key.type}",
        )
    return bool(types)


def _check_action(node: Node, output: Output) -> bool:
    """An action is known by the feedback that its server publishes."""
    action = topic_of(node, output)
    offered = {
        info.topic_type.removesuffix("_FeedbackMessage")
        for info in node.get_publishers_info_by_topic(f"{action}/_action/feedback")
    }
    if offered and output.type not in offered:
        raise ContractError(
            f"{output.path}.type",
            f"{action} is offered as {', '.join(sorted(offered))}, not as {output.type}",
        )
    return bool(offered)


def no_taker(node: Node, output: Output) -> str:
    """That nobody takes the commands of an output, and which topic or action may be meant."""
    if output.action is not None:
        feedback = _names_of(node, f"{output.type}_FeedbackMessage")
        others = [
            name.removesuffix("/_action/feedback")
            for name in feedback  # a client of an action makes the topic, too
            if node.count_publishers(node.resolve_topic_name(name))
        ]
        done = "offers"
    else:
        others = [
            name
            for name in _names_of(node, output.type)
            if node.count_subscribers(node.resolve_topic_name(name))
        ]
        done = "subscribes to"
    hint = suggestion(output.topic, others) if others else f"nobody {done} any {output.type}"
    return f"nobody {done} {output.topic!r} yet; {hint}"


def _names_of(node: Node, type_name: str) -> list[str]:
    """The topics of a type, relative to the node's namespace where they are within it."""
    prefix = node.get_namespace().rstrip("/") + "/"
    topics = node.get_topic_names_and_types()
    return [name.removeprefix(prefix) for name, types in topics if type_name in types]


def absence(node: Node, key: ObservationKey) -> str:
    """Why no message of a topic came, as far as the graph tells, and what may be meant."""
    if node.count_publishers(topic_of(node, key)):
        return f"{key.topic!r} is published, but no message came yet"
    others = [
        name
        for name in _names_of(node, key.type)
        if node.count_publishers(node.resolve_topic_name(name))
    ]
    hint = suggestion(key.topic, others) if others else f"nobody publishes any {key.type}"
    return f"nobody publishes {key.topic!r} yet; {hint}"
