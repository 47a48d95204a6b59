"""Samples are read by a thread of their own, over real DDS."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

import rclpy
from rclpy.context import Context
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from inferential_ros.bridge.sample_reader import ReadElsewhere, SampleReader

WAIT_S = 20.0
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture
def node() -> Iterator[Any]:
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node("reader", context=context)
    try:
        yield node
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


def test_each_sample_reaches_its_callback_whatever_the_one_before_it_did(node: Any) -> None:
    taken: queue.Queue[str] = queue.Queue()
    failures: queue.Queue[Exception] = queue.Queue()

    def take(message: String) -> None:
        if message.data == "bad":
            raise ValueError("bad")
        taken.put(message.data)

    publisher = node.create_publisher(String, "texts", LATCHED)
    subscription = node.create_subscription(
        String, "texts", take, LATCHED, callback_group=ReadElsewhere()
    )
    reader = SampleReader(node, [subscription], failures.put)
    try:
        for text in ("one", "bad", "two"):
            publisher.publish(String(data=text))
        assert [taken.get(timeout=WAIT_S) for _ in range(2)] == ["one", "two"]
        assert str(failures.get(timeout=WAIT_S)) == "bad"
        with reader.lock:  # none is handed on while somebody holds it
            publisher.publish(String(data="three"))
            with pytest.raises(queue.Empty):
                taken.get_nowait()
        assert taken.get(timeout=WAIT_S) == "three"
    finally:
        reader.stop()
    publisher.publish(String(data="four"))
    assert taken.empty()


def test_no_executor_reads_what_the_reader_does(node: Any) -> None:
    subscription = node.create_subscription(
        String, "texts", lambda message: None, LATCHED, callback_group=ReadElsewhere()
    )
    assert not subscription.callback_group.can_execute(subscription)
