"""Decides what is published: from the executor, the services, and the state of both.

No rclpy in here. Guarded by the bridge's lock.
"""

from __future__ import annotations

import threading

from inferential_ros.bridge.robot_io import RobotIo
from inferential_ros.bridge.state import BY_MODE, BY_SOURCE, BridgeMode, State
from inferential_ros.bridge.statistics import Statistics
from inferential_ros.execution.executor import Executor, Source, Tick


class ActionOutput:
    """From activation to deactivation."""

    def __init__(self, executor: Executor, statistics: Statistics, robot: RobotIo) -> None:
        self.mode = BridgeMode.RUNNING
        self.state = State.WAITING
        self.settled = threading.Event()  # ending, and the fallback has nothing left to do
        self._executor = executor
        self._statistics = statistics
        self._robot = robot
        self._settles_ns = 0
        self._published_request = 0

    def change(self, mode: BridgeMode) -> None:
        """Drop the plans and go on in another mode, from now on."""
        self.mode = mode
        self._executor.clear()
        now_ns = self._robot.now_ns()
        self._settles_ns = now_ns + self._executor.settling_ns
        self.publish(now_ns)

    def publish(self, now_ns: int, on_time: bool = False) -> None:
        """What is due now. on_time: at a control tick."""
        if self.mode is BridgeMode.RUNNING:
            self._show(self._executor.tick(now_ns, on_time))
            return
        self._show(self._executor.stopped(now_ns, on_time))
        if self.mode is BridgeMode.ENDING and now_ns >= self._settles_ns:
            self.settled.set()

    def rest(self) -> None:
        """The last word."""
        self.mode = BridgeMode.ENDED
        self._show(self._executor.rest())

    def _show(self, tick: Tick) -> None:
        statistics = self._statistics
        self._robot.publish_actions(tick)
        if tick.executed is not None:
            self._robot.publish_executed_chunk(tick.executed)
        if tick.source is Source.PLAN and tick.request_id != self._published_request:
            self._published_request = tick.request_id
            statistics.latencies_s.append((self._robot.now_ns() - tick.observed_ns) / 1e9)
        if tick.source is not Source.WAITING:
            statistics.action_ticks += 1
        state = BY_SOURCE[tick.source]
        if self.mode is not BridgeMode.RUNNING:
            # a bridge that ends before its first plan publishes no fallback
            waits = self.mode is BridgeMode.ENDING and tick.source is Source.WAITING
            state = state if waits else BY_MODE[self.mode]
        statistics.fallback_ticks += state is State.FALLBACK
        if state is not self.state:
            self.state = state
            self._robot.publish_state()
