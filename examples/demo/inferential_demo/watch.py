"""Watches one robot from outside: takes its topics and keeps the record made of them.

Latency is measured without trust in the bridge's own figures: from the stamp of the sensor
reading, which a plan carries, to the time at which DDS sent the first command that holds an
action of that plan (matching.py).
"""

from __future__ import annotations

from collections.abc import Callable

from inferential.msg import ActionChunk, BridgeStatus
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Empty, Float64, Float64MultiArray

from inferential_demo.mailbox import drain, ignore, newest
from inferential_demo.matching import ActionMatcher
from inferential_demo.phases import Phase
from inferential_demo.record import Fall, RobotRecord

DEEP = QoSProfile(depth=100)  # a tick's worth of messages, and then some
SENSOR = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
STATES = {
    BridgeStatus.STATE_INACTIVE: "inactive",
    BridgeStatus.STATE_WAITING: "waiting",
    BridgeStatus.STATE_EXECUTING: "moving",
    BridgeStatus.STATE_FALLBACK: "fallback",
    BridgeStatus.STATE_PAUSED: "paused",
    BridgeStatus.STATE_EMERGENCY_STOPPED: "stopped",
}


class RobotWatch:
    """The topics of one robot, and the record made of them.

    `clock` gives the time of the run at which something published at a wall time happened.
    """

    def __init__(self, node: Node, name: str, clock: Callable[[int], float]) -> None:
        self.record = RobotRecord(name)
        self.phase: Phase | None = None  # while it is set, falls count
        self._clock = clock
        self._matcher = ActionMatcher()
        self._seen = False  # whether a reading came; discovery takes its time
        self._push = node.create_publisher(Float64, f"/{name}/push", 10)
        self._reset = node.create_publisher(Empty, f"/{name}/reset", 10)

        def listen(kind: type, topic: str, qos: QoSProfile = DEEP) -> Subscription:
            return node.create_subscription(kind, f"/{name}/{topic}", ignore, qos)

        self._readings = listen(JointState, "joint_states", SENSOR)
        self._fallen = listen(Bool, "fallen", LATCHED)
        self._plans = listen(ActionChunk, "action_chunk")
        self._commands = listen(Float64MultiArray, "effort_controller/commands")
        self._statuses = listen(BridgeStatus, "bridge_status")

    @property
    def ready(self) -> bool:
        """Its readings and plans arrive here, and the pole stands."""
        return self._seen and bool(self.record.recent) and not self.record.fallen

    def push(self, impulse: float) -> None:
        self._push.publish(Float64(data=impulse))

    def stand_up(self) -> None:
        self._reset.publish(Empty())

    def take_messages(self) -> None:
        """Brings the record up to date."""
        for message, published_ns in drain(self._readings):
            self._seen = True
            at_s = self._clock(published_ns)
            if at_s >= 0.0:
                self.record.angles.append((at_s, message.position[1]))
        for message, published_ns in drain(self._fallen):
            if message.data and not self.record.fallen and self.phase is not None:
                self.record.falls.append(Fall(self._clock(published_ns), self.phase))
            self.record.fallen = message.data
        status = newest(self._statuses)
        if status is not None:
            self._note_status(status)
        self._measure_latency()

    def _measure_latency(self) -> None:
        for plan, published_ns in drain(self._plans):
            self._matcher.plan(published_ns, _nanoseconds(plan.header.stamp), set(plan.data))
        for command, published_ns in drain(self._commands):
            self._matcher.command(published_ns, command.data[0])
        for published_ns, latency_ns in self._matcher.latencies():
            self.record.add_latency(self._clock(published_ns), latency_ns * 1e-9)

    def _note_status(self, message: BridgeStatus) -> None:
        record = self.record
        record.connected = message.connected
        record.state = STATES.get(message.state, "?")
        record.action_rate = message.action_rate
        record.runway_s = _nanoseconds(message.runway) * 1e-9
        record.plans_in_time = message.deadline_hits
        record.plans_late = message.deadline_misses


def _nanoseconds(time_or_duration) -> int:
    return time_or_duration.sec * 1_000_000_000 + time_or_duration.nanosec
