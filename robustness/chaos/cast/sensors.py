"""The bridged robots' topics: fake sensors, and a witness of the commands that come over DDS.

    sensors.py NAME ...     one robot for each namespace

The stamps of a command and of the sample it answers tell how old it was when it was published;
when it was received here only bounds that, as DDS and this process take their time.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time

import rclpy
from inferential.msg import BridgeStatus
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState

from benchmarks.processes import listen, tell
from robustness.chaos.cast import walltime
from robustness.chaos.cast.spinning import spinning
from robustness.chaos.cast.witness import LEASE_S, Witness, answer

PERIOD_S = 0.02
DELIVERY_S = 1.0  # more than DDS and this process take on a machine that is very busy
CLOCK_SET_S = 600.0  # stamps further apart than this: somebody set the clock between them
BALLAST = "x" * 8192  # a recording of it grows by 0.4 MB/s
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
ENDS = ("ok", "expired", "superseded", "dropped", "rejected", "errors", "lost")
CONTRACT = f"""
robot: two_joints
model: {{id: policy, latency_budget_ms: 600, answer_timeout_s: 0.7}}
observation:
  trigger: {{rate_hz: 5}}
  keys:
    state: {{topic: joint_states, type: sensor_msgs/msg/JointState, joints: [tag, spare]}}
action:
  names: [tag, step]
  rate_hz: {1 / PERIOD_S}
  lease_s: {LEASE_S}
  outputs:
    - topic: command
      type: sensor_msgs/msg/JointState
      kind: effort
      joints: [tag, step]
"""


class Bridged:
    """One robot's sensors and actuators."""

    def __init__(self, node: Node, name: str) -> None:
        self.witness = Witness(name, PERIOD_S)
        self.status: dict[str, int] = {}
        self._stamps: dict[int, int] = {}  # tag -> ns of the wall clock
        self._sensor = node.create_publisher(JointState, f"/{name}/joint_states", 1)
        node.create_subscription(JointState, f"/{name}/command", self._on_command, 50)
        node.create_subscription(BridgeStatus, f"/{name}/bridge_status", self._on_status, LATCHED)
        self._clock = node.get_clock()

    def sense(self, tag: int) -> None:
        message = JointState(name=["tag", "spare"], position=[float(tag), 0.0])
        message.header.frame_id = BALLAST
        stamp = self._clock.now()
        message.header.stamp = stamp.to_msg()
        self._stamps[tag] = stamp.nanoseconds
        self.witness.asked(tag, time.monotonic())
        self._sensor.publish(message)

    def _on_command(self, message: JointState) -> None:
        at = time.monotonic()
        tag, step = (int(value) for value in message.effort)
        if not tag:
            return  # the fallback
        stamp = message.header.stamp
        by_stamps_s = (stamp.sec * 10**9 + stamp.nanosec - self._stamps.get(tag, 0)) / 1e9
        received_s = at - self.witness.when(tag)
        was_set = abs(received_s - by_stamps_s) > CLOCK_SET_S
        age_s = received_s - DELIVERY_S if was_set else by_stamps_s
        self.witness.published(tag, step, at, max(age_s, received_s - DELIVERY_S))

    def _on_status(self, message: BridgeStatus) -> None:
        self.status = {name: getattr(message, name) for name in ("observations", *ENDS)}
        self.status["refused"] = message.invalid_plans


def sense(robots: list[Bridged], stop: threading.Event) -> None:
    """All sensors at their rate, until told to stop."""
    due = time.monotonic()
    for tag in itertools.count(1):
        for robot in robots:
            robot.sense(tag)
        due += PERIOD_S
        if stop.wait(max(0.0, due - time.monotonic())):
            return


def main(names: list[str]) -> None:
    """Live until stdin ends; the first line told is the contract of every robot."""
    walltime.install()
    rclpy.init()
    node = rclpy.create_node("chaos_sensors")
    robots = [Bridged(node, name) for name in names]
    stop = threading.Event()
    sensing = threading.Thread(target=sense, args=(robots, stop))
    with spinning(node):
        sensing.start()
        tell(CONTRACT)
        for question in listen():
            found = answer(question, [robot.witness for robot in robots])
            counts = {robot.witness.name: robot.status for robot in robots}
            tell(counts if found is None else found)
        stop.set()
        sensing.join()


if __name__ == "__main__":
    main(sys.argv[1:])
