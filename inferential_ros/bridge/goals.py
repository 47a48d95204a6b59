"""The client of one ROS action: sends the newest goal and follows what becomes of it.

`send` and `cancel` come from the control thread. The action client belongs to the ROS thread: it
would lose a response that came before it has noted its own request.
"""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from rclpy.callback_groups import CallbackGroup
from rclpy.lifecycle import LifecycleNode
from rclpy.task import Future
from unique_identifier_msgs.msg import UUID

from inferential_ros.contract.schema import Output

PATIENCE_S = 1.0  # a server that did not answer for so long is asked again
REMIND_S = 5.0  # from one line about the same trouble to the next


class GoalSender:
    """One action of the robot, for one output."""

    def __init__(self, node: LifecycleNode, output: Output, group: CallbackGroup) -> None:
        self._node = node
        self._output = output
        self._lock = threading.Lock()
        self._wanted: Any = None  # the newest goal that was not sent yet
        self._cancelling = False
        self._asked: Future | None = None  # a goal that the server has not answered
        self._asked_s = 0.0
        self._asked_id = UUID()
        self._active: Any = None  # the handle of the goal that was accepted last
        self.problem = ""
        self._told_s = 0.0
        self.accepted = 0
        self._client = ActionClient(node, output.action, output.topic, callback_group=group)
        self._guard = node.create_guard_condition(self._act, group)

    @property
    def action_name(self) -> str:
        """The full name of the action."""
        return str(self._node.resolve_topic_name(self._output.topic))

    def send(self, goal: Any) -> None:
        """Replace whatever goal there is by this one."""
        with self._lock:
            self._wanted, self._cancelling = goal, False
        self._guard.trigger()

    def cancel(self) -> None:
        """End the goal that is executed, and send none that was not sent yet."""
        with self._lock:
            self._wanted, self._cancelling = None, True
        self._guard.trigger()

    def retries(self) -> bool:
        """Whether the last goal came to nothing long enough ago to be sent again."""
        with self._lock:
            silent = self._asked is not None and self._overdue()
            if silent:
                self._asked = None
        if silent:
            self._tell(f"{self.action_name} does not answer")
        return silent or bool(self.problem) and time.monotonic() - self._told_s >= PATIENCE_S

    def finish(self) -> None:
        """In the ROS thread, before the node goes: do now what was asked for.

        A goal that the server has not answered yet is cancelled by its id alone.
        """
        self._act()
        with self._lock:
            unanswered = self._cancelling and self._asked is not None
        if unanswered:
            ClientGoalHandle(self._client, self._asked_id, None).cancel_goal_async()

    def destroy(self) -> None:
        """Give the client back."""
        self._node.destroy_guard_condition(self._guard)
        self._client.destroy()

    # --- ROS thread ---

    def _act(self) -> None:
        with self._lock:
            goal, cancelling = self._wanted, self._cancelling
            waiting = self._asked is not None
            if waiting and not self._overdue():
                return  # its answer calls again
            self._wanted = None
        if cancelling:
            self._cancel()
        elif goal is not None:
            self._send(goal)

    def _overdue(self) -> bool:
        return time.monotonic() - self._asked_s >= PATIENCE_S

    def _send(self, goal: Any) -> None:
        if not self._client.server_is_ready():
            self._tell(f"there is no action server {self.action_name}")
            return
        self._asked_id = UUID(uuid=list(uuid.uuid4().bytes))
        asked = self._client.send_goal_async(goal, goal_uuid=self._asked_id)
        with self._lock:
            self._asked, self._asked_s = asked, time.monotonic()
        asked.add_done_callback(self._answered)

    def _answered(self, asked: Future) -> None:
        handle = asked.result()
        with self._lock:
            if self._asked is asked:
                self._asked = None
        if handle is None or not handle.accepted:
            self._tell(f"{self.action_name} refused the goal")
        else:
            self.problem = ""
            self.accepted += 1
            self._active = handle
            handle.get_result_async().add_done_callback(
                lambda result: self._ended(handle, result.result())
            )
        self._act()

    def _ended(self, handle: Any, response: Any) -> None:
        if handle is not self._active or response is None:
            return  # another goal took its place
        self._active = None
        if response.status == GoalStatus.STATUS_ABORTED:
            result = response.result
            code = getattr(result, "error_code", None)
            why = getattr(result, "error_string", "")
            told = f" (error_code {code})" if code else ""
            self._tell(f"{self.action_name} aborted the goal{told}" + (f": {why}" if why else ""))

    def _cancel(self) -> None:
        with self._lock:
            self._cancelling = False
        handle, self._active = self._active, None
        if handle is not None:
            handle.cancel_goal_async()

    def _tell(self, problem: str) -> None:
        self.problem, self._told_s = problem, time.monotonic()
        self._node.get_logger().warning(
            f"{self._output.path}: {problem}", throttle_duration_sec=REMIND_S
        )
