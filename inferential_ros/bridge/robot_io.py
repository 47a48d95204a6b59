"""The robot as a bridge sees it: clocks to read and topics to publish on. No rclpy in here.

A node implements it with publishers (ros_interfaces.py), a replay with a recording
(recording/replay.py), a test with lists.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from inferential_ros.execution.executor import Tick
from inferential_ros.execution.plan import Plan


class RobotIo(Protocol):
    """What a `BridgeCore` needs of its robot.

    The bridge publishes with its lock held, from any of its threads, so the order is kept; an
    implementation must neither block nor call the bridge back from another thread meanwhile.
    """

    def now_ns(self) -> int:
        """The time of the robot's clock in ns since the epoch; it may be simulated or set back."""

    def steady_s(self) -> float:
        """The time in s of a clock that is never paused or set back; it starts anywhere."""

    def publish_actions(self, tick: Tick) -> None:
        """Publish what every output is commanded at this control tick."""

    def publish_chunk(self, plan: Plan) -> None:
        """Publish a plan that was accepted, as the model gave it."""

    def publish_pending_chunk(self, plan_ahead: Callable[[], Plan | None]) -> None:
        """Publish what will be executed from now on, mixed and limited.

        `plan_ahead` works that out, at a cost; it gives None where nothing lies ahead.
        """

    def publish_executed_chunk(self, plan: Plan) -> None:
        """Publish what was executed of a plan that is over."""

    def wants_executed_chunks(self) -> int:
        """How many listen to those; asked whenever a plan comes, before it is executed."""

    def publish_state(self) -> None:
        """Tell that the bridge's state or its link to the server changed."""
