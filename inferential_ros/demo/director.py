"""Runs the show: watches every robot, pushes them, slows the model, tells what happened.

Latency is measured from outside, without trust in the bridge's own figures: from the stamp of
the sensor reading, which a plan carries, to the time at which DDS sent the first command that
holds an action of that plan (matching.py).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import rclpy
from inferential.msg import ActionChunk, BridgeStatus, ServerStatus
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Empty, Float64, Float64MultiArray

from inferential_ros.demo.mailbox import drain, ignore, newest
from inferential_ros.demo.matching import ActionMatcher
from inferential_ros.demo.phases import Phase, Push, phases, pushes
from inferential_ros.demo.record import Fall, RobotRecord, RunRecord
from inferential_ros.demo.screen import make_screen
from inferential_ros.demo.slowdown import knob_path, write_slowdown_ms
from inferential_ros.demo.table import summary

START_TIMEOUT_S = 60.0
REFRESH_S = 0.25
TICK_S = 0.04
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
        """Plans arrive and the pole stands."""
        return bool(self.record.recent) and not self.record.fallen

    def push(self, impulse: float) -> None:
        self._push.publish(Float64(data=impulse))

    def stand_up(self) -> None:
        self._reset.publish(Empty())

    def take_messages(self) -> None:
        """Brings the record up to date."""
        for message, published_ns in drain(self._readings):
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
        record.deadline_hits = message.deadline_hits
        record.deadline_misses = message.deadline_misses


class Director(Node):
    """Takes the run from waiting for the robots to its summary."""

    def __init__(self) -> None:
        super().__init__("demo_director", start_parameter_services=False)
        parameter = self._parameter
        names = [f"robot_{n + 1}" for n in range(parameter("robots", 6, "Robots to watch"))]
        self._seconds = parameter("seconds", 30.0, "Length of the run, s")
        self._slowdown = parameter("slowdown", True, "Slow the model after the fast phase")
        self._seed = parameter("seed", 0, "Seed of the pushes")
        self.report = parameter("report", "demo/report.png", "Where the picture goes")
        plain = parameter("plain", False, "Lines instead of a live table")
        self._start_s = float("inf")
        self._watches = [RobotWatch(self, name, self._time_of) for name in names]
        self.run_record = RunRecord([watch.record for watch in self._watches])
        self._server = self.create_subscription(ServerStatus, "/server_status", ignore, 1)
        self._screen = make_screen(plain or not sys.stdout.isatty())
        self._stop = False
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._on_signal)

    def direct(self) -> int:
        """The whole show. 0: all robots stood while the model was fast."""
        try:
            with self._screen:
                began = self._wait_for_robots()
                if began:
                    self._play()
        finally:
            self._turn_knob(0.0)
        if not began and not self._stop:
            return 1
        if self._stop:
            self.run_record.interrupted = True
        print(*summary(self.run_record), sep="\n", flush=True)
        if self.run_record.spans:
            self._write_report()
        if self._stop:
            return 130
        return 0 if self.run_record.stood else 1

    def _wait_for_robots(self) -> bool:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not self._stop:
            missing = [w.record.name for w in self._watches if not w.ready]
            if not missing:
                return True
            if time.monotonic() > deadline_s:
                self._screen.say(f"no actions after {START_TIMEOUT_S:g} s: {', '.join(missing)}")
                return False
            up = len(self._watches) - len(missing)
            title = f"starting: {up} of {len(self._watches)} robots are up"
            self._screen.show(self.run_record, None, title)
            self._watch_until(time.monotonic() + REFRESH_S)
        return False

    def _play(self) -> None:
        script = phases(self._seconds, self._slowdown)
        due = pushes(len(self._watches), self._seconds, self._seed)
        self._start_s = time.monotonic()
        phase_start_s = 0.0
        for phase in script:
            if phase.name == "slow" and all(w.record.fallen for w in self._watches):
                continue  # nobody left to fall
            self._begin(phase)
            end_s = phase_start_s + phase.duration_s
            while not self._stop and (now_s := self._elapsed_s()) < end_s:
                self._screen.show(self.run_record, now_s, phase.title)
                self._push_until(due, min(end_s, now_s + REFRESH_S))
            phase_start_s, start_s = min(end_s, self._elapsed_s()), phase_start_s
            self.run_record.spans.append((phase, start_s, phase_start_s))
            if self._stop:
                return

    def _begin(self, phase: Phase) -> None:
        self._turn_knob(phase.added_ms)
        self._screen.say(f"== {phase.title}")
        if phase.name == "recovery":
            for watch in self._watches:
                watch.phase = None
                if watch.record.fallen:
                    watch.stand_up()
        for watch in self._watches:
            watch.phase = phase

    @staticmethod
    def _turn_knob(added_ms: float) -> None:
        path = knob_path()
        if path and added_ms > 0.0:
            write_slowdown_ms(path, added_ms)
        elif path:
            Path(path).unlink(missing_ok=True)

    def _push_until(self, due: list[Push], end_s: float) -> None:
        while due and due[0].at_s < end_s:
            push = due.pop(0)
            self._watch_until(self._start_s + push.at_s)
            if not self._watches[push.robot].record.fallen:
                self._watches[push.robot].push(push.impulse)
                self.run_record.pushes.append((self._elapsed_s(), push.robot))
        self._watch_until(self._start_s + end_s)

    def _watch_until(self, end_s: float) -> None:
        while not self._stop and (wait_s := end_s - time.monotonic()) > 0.0:
            time.sleep(min(wait_s, TICK_S))
            for watch in self._watches:
                before = len(watch.record.falls)
                watch.take_messages()
                for fall in watch.record.falls[before:]:
                    self._screen.say(f"   {watch.record.name} fell at {fall.at_s:.1f} s")
            status = newest(self._server)
            if status is not None and status.models:
                self.run_record.mean_batch = status.models[0].mean_batch

    def _write_report(self) -> None:
        try:
            from inferential_ros.demo.report import write_report

            write_report(self.run_record, self.report)
        except ImportError as error:
            print(f"no picture: {error}", flush=True)
        else:
            print(f"picture: {os.path.relpath(self.report)}", flush=True)

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._start_s

    def _time_of(self, wall_ns: int) -> float:
        return self._elapsed_s() - (time.time_ns() - wall_ns) * 1e-9

    def _on_signal(self, *_: object) -> None:
        self._stop = True

    def _parameter(self, name: str, default, description: str):
        descriptor = ParameterDescriptor(description=description, read_only=True)
        return self.declare_parameter(name, default, descriptor).value


def _nanoseconds(time_or_duration) -> int:
    return time_or_duration.sec * 1_000_000_000 + time_or_duration.nanosec


def main(args: list[str] | None = None) -> int:
    """The director's process. Takes its own signals: on Ctrl-C it still sums up."""
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    director = Director()
    try:
        return director.direct()
    finally:
        director.destroy_node()
        rclpy.try_shutdown()
