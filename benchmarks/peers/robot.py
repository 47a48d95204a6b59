"""A robot's topics, its bridge, and a bare node with the same topics, each a process.

`robot.py topics`, `robot.py bridge CONTRACT SERVER PRIORITY`, `robot.py bare COMMAND_HZ`.

The bridge is the shipped node; it is only watched: when a sample is handed to it, when the
observation made of it was given to the socket, and when commands are published.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from functools import partial
from typing import Any

import numpy as np
import rclpy

from benchmarks.processes import tell


def topics() -> None:
    """Publishes what the line it was given says, until the next one: {topic: Hz}."""
    from sensor_msgs.msg import Image, JointState

    rclpy.init()
    node = rclpy.create_node("robot")
    joints = JointState(name=["a", "b"], position=[0.1, 0.2])
    image = Image(encoding="rgb8", width=1280, height=720, step=3 * 1280)
    image.data = np.zeros(3 * 1280 * 720, np.uint8).tobytes()
    publishers = {
        "joint_states": (node.create_publisher(JointState, "joint_states", 1), joints),
        "image": (node.create_publisher(Image, "image", 1), image),
    }
    rates: dict[str, float] = {}
    lines = iter(sys.stdin.readline, "")

    def listen() -> None:
        for line in lines:
            rates.clear()
            rates.update(json.loads(line))
            tell({})
        rates["end"] = 0.0

    threading.Thread(target=listen, daemon=True).start()
    due = dict.fromkeys(publishers, time.monotonic())
    while "end" not in rates:
        now = time.monotonic()
        for name, (publisher, message) in publishers.items():
            if rates.get(name) and now >= due[name]:
                due[name] = max(due[name] + 1.0 / rates[name], now - 1.0 / rates[name])
                message.header.stamp = node.get_clock().now().to_msg()
                publisher.publish(message)
        asleep = [due[name] for name in publishers if rates.get(name)]
        time.sleep(min(0.05, max(0.0, min(asleep, default=now + 0.05) - time.monotonic())))


def bridge(contract: str, server: str, priority: str) -> None:
    """Answers each line with the figures since the one before; tells when it begins."""
    from inferential_ros.bridge.bridge_core import BridgeCore
    from inferential_ros.bridge.outputs import Outputs
    from inferential_ros.bridge_node import main

    received: list[float] = []
    overheads: list[float] = []
    published: list[float] = []

    def answer() -> None:
        tell({})
        for _ in sys.stdin:
            tell({"overheads": overheads, "published": published})
            overheads.clear()
            published.clear()
        signal.raise_signal(signal.SIGTERM)

    def watch(owner: type, name: str, before: Any = None, after: Any = None) -> None:
        """Have functions called before and after a method."""
        method = getattr(owner, name)

        def watched(*arguments: Any) -> None:
            for call in (before, partial(method, *arguments), after):
                if call is not None:
                    call()

        setattr(owner, name, watched)

    def note_received() -> None:
        received[:] = [time.perf_counter()]

    answering = threading.Thread(target=answer, daemon=True)
    watch(BridgeCore, "start", after=answering.start)
    watch(BridgeCore, "store", before=note_received)
    watch(
        BridgeCore, "on_sent", before=lambda: overheads.append(time.perf_counter() - received[0])
    )
    watch(Outputs, "publish", after=lambda: published.append(time.perf_counter()))
    given = {"contract_file": contract, "server": server}
    given |= {"sample_timeout": "5.0", "thread_priority": priority}
    words = [word for name, value in given.items() for word in ("-p", f"{name}:={value}")]
    sys.exit(main(["--ros-args", *words]))


def bare(hz: str) -> None:
    """What rclpy itself takes, with the topics and the rates of the bridge.

    Commands follow each state, as the bridge's follow each plan, and come at a rate of their own.
    """
    from sensor_msgs.msg import JointState
    from std_msgs.msg import Float64MultiArray

    rclpy.init()
    node = rclpy.create_node("bare")
    publisher = node.create_publisher(Float64MultiArray, "commands", 1)
    commands = Float64MultiArray(data=[0.0] * 7)

    def publish(*state: JointState) -> None:
        publisher.publish(commands)

    node.create_subscription(JointState, "joint_states", publish, 1)
    node.create_timer(1.0 / float(hz), publish)
    tell({})
    rclpy.spin(node)


if __name__ == "__main__":
    {"topics": topics, "bridge": bridge, "bare": bare}[sys.argv[1]](*sys.argv[2:])
