"""Compares a contract with what is published right now, before the bridge goes into service.

Waits a bounded moment for one message of every observation topic. A topic of another type, a
joint that is not in the message or an image of another encoding is a ContractError then; topics
on which nothing comes in that time are left alone, since a bridge may start before its robot.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from inferential_ros.contract.errors import ContractError
from inferential_ros.contract.schema import Contract, ObservationKey, Output
from inferential_ros.convert.registry import InputError
from inferential_ros.qos import qos_profile

DISCOVERY_S = 0.5  # who has not been seen by then is taken to be absent
SPIN_S = 0.05


def check_live(node: Node, contract: Contract, timeout_s: float) -> None:
    """Raises ContractError for the first key that the robot contradicts."""
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
    try:
        for key in contract.topics:
            topic = node.resolve_topic_name(key.topic)
            store = _storing(samples, key.name)
            probe.create_subscription(key.message, topic, store, qos_profile(key.qos))
        started = time.monotonic()
        while rclpy.ok(context=node.context):
            waited_s = time.monotonic() - started
            missing = [key for key in contract.topics if key.name not in samples]
            published = [k for k in missing if probe.count_publishers(_topic(node, k))]
            settled = waited_s >= min(DISCOVERY_S, timeout_s) and not published
            if not missing or settled or waited_s >= timeout_s:
                break
            executor.spin_once(timeout_sec=SPIN_S)
        for key in contract.topics:
            _check_input(node, key, samples.get(key.name))
        for output in contract.action.outputs:
            _check_output(node, output)
    finally:
        executor.shutdown()
        probe.destroy_node()


def _storing(samples: dict[str, Any], name: str) -> Callable[[Any], None]:
    def store(message: Any) -> None:
        samples.setdefault(name, message)

    return store


def _topic(node: Node, key: ObservationKey | Output) -> str:
    return node.resolve_topic_name(key.topic)


def _check_input(node: Node, key: ObservationKey, sample: Any) -> None:
    topic = _topic(node, key)
    types = {info.topic_type for info in node.get_publishers_info_by_topic(topic)}
    if types and key.type not in types:
        raise ContractError(
            f"{key.path}.type",
            f"{topic} is published as {', '.join(sorted(types))}, not as {key.type}",
        )
    if sample is not None and key.decode is not None:
        try:
            key.decode(sample)
        except InputError as error:
            raise ContractError("", str(error)) from None


def _check_output(node: Node, output: Output) -> None:
    topic = _topic(node, output)
    types = {info.topic_type for info in node.get_subscriptions_info_by_topic(topic)}
    if types and output.type not in types:
        raise ContractError(
            f"{output.path}.type",
            f"{topic} is subscribed to as {', '.join(sorted(types))}, not as {output.type}",
        )
