"""What differs between the ROS 2 distributions that the nodes run on, and nothing else.

Tested on Jazzy (rclpy 7.1) and Kilted (rclpy 9.1); docs/nodes.md says what the others have.
"""

from __future__ import annotations

from lifecycle_msgs.srv import ChangeState
from rclpy.clock import Clock, ClockType  # Humble has no rclpy.clock_type
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode

try:
    from rclpy.event_handler import PublisherEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks

__all__ = ["PublisherEventCallbacks", "refuse_what_does_not_fit", "steady_clock"]


def steady_clock() -> Clock:
    """A clock that nobody sets, and that a simulation does not pause."""
    return Clock(clock_type=ClockType.STEADY_TIME)


def refuse_what_does_not_fit(node: LifecycleNode) -> None:
    """Have a request for a transition that the state does not allow answered success=False.

    The service of Humble and Jazzy lets its error out of the executor, which ends the process;
    from Kilted on it answers.
    """
    service = node._service_change_state
    change_state = service.callback

    def guarded(
        request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        state = node._state_machine.current_state[1]
        try:
            return change_state(request, response)
        except rclpy_implementation.RCLError:
            asked = request.transition.label or request.transition.id
            node.get_logger().warning(
                f"transition {asked!r} is refused: none of that name leads on from {state!r}"
            )
            response.success = False
            return response

    service.callback = guarded
