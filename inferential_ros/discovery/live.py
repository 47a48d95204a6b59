"""Compares a contract with what is published right now, before the bridge goes into service.

Waits a bounded moment for one message of every observation topic and for a subscriber of every
output. A topic of another type, a joint that is not in the message or an image of another
encoding is a ContractError then. What was not seen in that time is only told, since a bridge may
start before its robot; the bridge looks at it again while it is active.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from inferential_ros.contract.schema import Contract, ObservationKey, Output
from inferential_ros.convert.collecting import Collected, collector_of
from inferential_ros.convert.registry import InputError
from inferential_ros.options.errors import ContractError, suggestion
from inferential_ros.qos import qos_profile

SPIN_S = 0.05
DISCOVERY_S = 1.0  # in which a second publisher of a topic is heard of, if there is one


class Partial(NamedTuple):
    """What messages said of a key that needs more than that, and since when."""

    sample: Any
    since_s: float


def check_live(
    node: Node, contract: Contract, timeout_s: float, give_up: Callable[[], bool]
) -> list[str]:
    """What could not be checked; ContractError for the first key that the robot contradicts.

    give_up: asked now and then whether to wait no longer.
    """
    probe = rclpy.create_node(
        f"{node.get_name()}_probe",
        namespace=node.get_namespace(),
        context=node.context,
        use_global_arguments=False,  # a `__node:=` of ours would rename it
        enable_rosout=False,
        start_parameter_services=False,
    )
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(probe)
    samples: dict[str, Any] = {}
    partial: dict[str, Partial] = {}
    try:
        for key in contract.topics:
            topic = node.resolve_topic_name(key.topic)
            store = _storing(samples, partial, key)
            probe.create_subscription(key.message, topic, store, qos_profile(key.qos))
        until = time.monotonic() + timeout_s
        heard: list[bool] = []
        while rclpy.ok(context=node.context):
            # Discovery takes as long as it takes: only the time given says who is absent.
            for key in contract.topics:
                check_input_type(node, key)
            heard = [check_output_type(node, output) for output in contract.action.outputs]
            for key in contract.topics:
                if key.name in samples:
                    check_sample(key, samples[key.name])
                elif key.name in partial and not _may_be_completed(node, key, partial[key.name]):
                    check_sample(key, partial[key.name].sample)
            wanted = [key.name for key in contract.topics if not key.quiet]
            complete = samples.keys() >= set(wanted) and all(heard)
            if complete or time.monotonic() >= until or give_up():
                break
            executor.spin_once(timeout_sec=SPIN_S)
        unheard = [
            f"{output.path}: nobody {'offers' if output.action else 'subscribes to'}"
            f" {output.topic!r} yet: not checked"
            for output, found in zip(contract.action.outputs, heard)
            if not found
        ]
        return [
            f"{key.path}: not checked: {_missing(node, key, partial.get(key.name))}"
            for key in contract.topics
            if key.name not in samples and not key.quiet
        ] + unheard
    finally:
        executor.shutdown()
        probe.destroy_node()


def _storing(
    samples: dict[str, Any], partial: dict[str, Partial], key: ObservationKey
) -> Callable[[Any], None]:
    """Keeps the first sample of a key, and until then what parts of it came."""
    collector = collector_of(key.decode)

    def store(message: Any) -> None:
        sample = message if collector is None else collector.add(message, 0)
        if type(sample) is Collected and not sample.missing or sample is message:
            samples.setdefault(key.name, sample)
        elif sample is not None or key.name not in partial:
            since_s = partial[key.name].since_s if key.name in partial else time.monotonic()
            partial[key.name] = Partial(message if sample is None else sample, since_s)

    return store


def _topic(node: Node, key: ObservationKey | Output) -> str:
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
    topic = _topic(node, key)
    types = {info.topic_type for info in ends(topic)}
    if types and key.type not in types:
        raise ContractError(
            f"{key.path}.type",
            f"{topic} is {done} as {', '.join(sorted(types))}, not as {key.type}",
        )
    return bool(types)


def _check_action(node: Node, output: Output) -> bool:
    """An action is known by the feedback that its server publishes."""
    action = _topic(node, output)
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


def _may_be_completed(node: Node, key: ObservationKey, partial: Partial) -> bool:
    """Whether the rest may come: from another publisher, or one that is not discovered yet."""
    if node.count_publishers(_topic(node, key)) > 1:
        return True
    return time.monotonic() - partial.since_s < DISCOVERY_S


def _missing(node: Node, key: ObservationKey, partial: Partial | None) -> str:
    if partial is None:
        return absence(node, key)
    try:
        check_sample(key, partial.sample)
    except ContractError as error:
        return f"{error} (another publisher may have it)"
    return absence(node, key)


def check_sample(key: ObservationKey, sample: Any) -> None:
    """ContractError if the message is not one the contract fits."""
    if key.decode is None:
        return  # of the tree of frames, which takes what comes
    try:
        copy.copy(key.decode)(sample)  # a copy: another thread may be decoding with it
    except InputError as error:
        raise ContractError("", str(error)) from None


def absence(node: Node, key: ObservationKey) -> str:
    """Why no message of a topic came, as far as the graph tells, and what may be meant."""
    if node.count_publishers(_topic(node, key)):
        return f"{key.topic!r} is published, but no message came yet"
    prefix = node.get_namespace().rstrip("/") + "/"
    others = [
        name.removeprefix(prefix)
        for name, types in node.get_topic_names_and_types()
        if key.type in types and node.count_publishers(name)
    ]
    hint = suggestion(key.topic, others) if others else f"nobody publishes any {key.type}"
    return f"nobody publishes {key.topic!r} yet; {hint}"
