"""The ROS thread of a bridge: it takes the samples of all observation topics.

rclpy's executor builds its list of everything that a node has anew for each message, which costs
several times what a message does. What a bridge reads stays the same from configure to cleanup, so
a wait set of the subscriptions alone serves it; services, timers and QoS events stay with the
executor. The calls are those that rclpy's own executor makes (rclpy/executors.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.subscription import Subscription


class ReadElsewhere(CallbackGroup):
    """The group of subscriptions that no executor reads."""

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        pass


class SampleReader:
    """Hands each message to the callback of its subscription, on a thread of its own.

    `lock` is held during a callback: who takes it knows that none runs.
    """

    def __init__(
        self,
        node: Node,
        subscriptions: Sequence[Subscription],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self.lock = threading.Lock()
        self._context = node.context
        self._subscriptions = list(subscriptions)
        self._on_failure = on_failure
        self._stopping = False
        # Owned by no node, which would have its executor wait for it, too.
        self._bell = GuardCondition(lambda: None, None, context=self._context)
        with self._context.handle:
            self._ready = rclpy_implementation.WaitSet(
                len(self._subscriptions), 1, 0, 0, 0, 0, self._context.handle
            )
        self._thread = threading.Thread(target=self._run, name="bridge-samples", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Return when no callback runs any more and none will."""
        self._stopping = True
        self._bell.trigger()
        self._thread.join()
        self._bell.destroy()

    def _run(self) -> None:
        handles = [each.handle for each in self._subscriptions]
        with ExitStack() as held:  # what is destroyed meanwhile lives on until the thread ends
            for each in (self._context.handle, self._bell.handle, *handles):
                held.enter_context(each)
            while not self._stopping:
                self._ready.clear_entities()
                for handle in handles:
                    self._ready.add_subscription(handle)
                self._ready.add_guard_condition(self._bell.handle)
                self._ready.wait(-1)
                for index, subscription in enumerate(self._subscriptions):
                    if self._ready.is_ready("subscription", index):
                        self._take(subscription)

    def _take(self, subscription: Subscription) -> None:
        try:
            taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
            if taken is not None:
                with self.lock:
                    if not self._stopping:
                        subscription.callback(taken[0])
        except Exception as error:  # one bad message must not silence the robot
            self._on_failure(error)
