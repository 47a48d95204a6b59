"""Finds what is published and subscribed to right now, with a sample of each readable topic."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from inferential_ros.contract.draft import SYSTEM, Seen
from inferential_ros.contract.draft_keys import Heard
from inferential_ros.contract.schema import Qos
from inferential_ros.convert import input_types
from inferential_ros.options.errors import ContractError
from inferential_ros.options.types import message_class
from inferential_ros.qos import qos_profile

SPIN_S = 0.05
MOST_TIMES = 200


class _Topic:
    """One topic that is listened to."""

    def __init__(self, type_name: str) -> None:
        self.heard = Heard(type_name)
        self.times_s: list[float] = []

    def store(self, message: Any) -> None:
        self.heard.add(message)
        if len(self.times_s) < MOST_TIMES:
            self.times_s.append(time.monotonic())

    @property
    def rate_hz(self) -> float:
        if len(self.times_s) < 3:
            return 0.0
        return (len(self.times_s) - 1) / max(1e-6, self.times_s[-1] - self.times_s[0])


def look(wait_s: float, context: Any = None) -> list[Seen]:
    """The topics of this ROS domain, after listening for so long."""
    own = context is None
    if own:
        context = rclpy.Context()
        rclpy.init(context=context)
    node = rclpy.create_node("inferential_contract", context=context, enable_rosout=False)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    listened: dict[str, _Topic] = {}
    try:
        until = time.monotonic() + wait_s
        while time.monotonic() < until and rclpy.ok(context=context):
            _listen(node, listened)
            executor.spin_once(timeout_sec=SPIN_S)
        return [
            _seen(node, topic, types[0], listened.get(topic))
            for topic, types in node.get_topic_names_and_types()
        ]
    finally:
        executor.shutdown()
        node.destroy_node()
        if own:
            rclpy.try_shutdown(context=context)


def _listen(node: Node, listened: dict[str, _Topic]) -> None:
    """Subscribe to what came up since, in a way that any publisher matches."""
    for topic, types in node.get_topic_names_and_types():
        readable = len(types) == 1 and types[0] in input_types() and topic not in SYSTEM
        if topic in listened or not readable or not node.count_publishers(topic):
            continue
        try:
            message = message_class(types[0], topic)
        except ContractError:
            continue
        listened[topic] = _Topic(types[0])
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        offers = node.get_publishers_info_by_topic(topic)
        if offers and all(map(_latched, offers)):  # what was said once, before we listened
            qos = qos_profile(Qos(reliable=True, transient_local=True, depth=5))
        store: Callable[[Any], None] = listened[topic].store
        node.create_subscription(message, topic, store, qos)


def _seen(node: Node, topic: str, type_name: str, heard: _Topic | None) -> Seen:
    published = node.get_publishers_info_by_topic(topic)
    ours = 1 if heard is not None else 0
    latched = list(map(_latched, published))
    return Seen(
        topic=topic,
        type=type_name,
        publishers=len(published),
        subscribers=node.count_subscribers(topic) - ours,
        sample=heard.heard.sample if heard is not None else None,
        rate_hz=heard.rate_hz if heard is not None else 0.0,
        left_out=heard.heard.left_out if heard is not None else (),
        latched=bool(latched) and all(latched),
    )


def _latched(publisher: Any) -> bool:
    return bool(publisher.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL)
