"""The URDF that a robot publishes of itself, as robot_state_publisher does."""

from __future__ import annotations

import time
from collections.abc import Callable

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import String

from inferential_ros.contract.schema import Qos
from inferential_ros.options.errors import ContractError
from inferential_ros.qos import qos_profile

TOPICS = ("robot_description", "/robot_description")  # in the namespace first
LATCHED = Qos(reliable=True, transient_local=True)
SPIN_S = 0.05


def robot_description(node: Node, path: str, timeout_s: float, give_up: Callable[[], bool]) -> str:
    """What comes on /robot_description; ContractError at `path` if nothing does in that time.

    give_up: asked now and then whether to wait no longer.
    """
    probe = rclpy.create_node(
        f"{node.get_name()}_description",
        namespace=node.get_namespace(),
        context=node.context,
        use_global_arguments=False,
        enable_rosout=False,
        start_parameter_services=False,
    )
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(probe)
    found: list[str] = []
    try:
        for topic in TOPICS:
            probe.create_subscription(
                String, topic, lambda message: found.append(message.data), qos_profile(LATCHED)
            )
        until_s = time.monotonic() + timeout_s
        while not found and time.monotonic() < until_s and not give_up():
            executor.spin_once(timeout_sec=SPIN_S)
    finally:
        executor.shutdown()
        probe.destroy_node()
    if not found:
        raise ContractError(
            f"{path}.limits",
            f"urdf: no message came on /robot_description in {timeout_s:g} s; start the"
            " robot_state_publisher, or name a file under urdf",
        )
    return found[0]
