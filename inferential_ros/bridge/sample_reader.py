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

from inferential_core.errors import describe
from inferential_ros.bridge.bridge_core import BridgeCore
from inferential_ros.contract.schema import Contract, Qos
from inferential_ros.qos import matching_qos, qos_profile


class ReadElsewhere(CallbackGroup):
    """The group of subscriptions that no executor reads."""

    def can_execute(self, entity: Any) -> bool:
        """False: the executor leaves the subscription to the thread that reads it."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """False: nothing is executed here."""
        return False

    def ending_execution(self, entity: Any) -> None:
        """Nothing was executed here."""


class SampleReader:
    """Hands each message to the callback of its subscription, on a thread of its own.

    `lock` is held during a callback: who takes it knows that none runs.
    """

    def __init__(
        self,
        node: Node,
        subscriptions: Sequence[Subscription],
        on_failure: Callable[[BaseException], None],
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
        except BaseException as error:  # one bad message must not silence the robot
            self._on_failure(error)


class SampleTopics:
    """The topics of a contract, read for a bridge as long as there is one."""

    def __init__(self, node: Node, contract: Contract) -> None:
        self._node = node
        self._topics = contract.topics
        self._bridge: BridgeCore | None = None
        # Samples that are valid until the next one: an instruction may come once for many lives.
        self._lasting: dict[tuple[int, Any], Any] = {}
        readers: dict[tuple[str, str, Qos], list[int]] = {}
        for index, key in enumerate(self._topics):
            readers.setdefault((key.topic, key.type, key.qos), []).append(index)
        group = ReadElsewhere()
        with ExitStack() as made:  # what was made goes again, also if the rest cannot be made
            subscriptions = []
            for (topic, _, qos), indices in readers.items():
                message, store = self._topics[indices[0]].message, self._storing(indices)
                profile = qos_profile(matching_qos(node, topic, qos))
                subscriptions.append(
                    node.create_subscription(message, topic, store, profile, callback_group=group)
                )
                made.callback(node.destroy_subscription, subscriptions[-1])
            self._reader = SampleReader(node, subscriptions, self._failed)
            made.callback(self._reader.stop)
            self._made = made.pop_all()

    def give_to(self, bridge: BridgeCore | None) -> None:
        """From now on samples are this bridge's; it gets those at once that last."""
        with self._reader.lock:  # a sample that comes now is newer than those
            self._bridge = bridge
            if bridge is not None:
                for (index, _), message in self._lasting.items():
                    bridge.store(index, message)

    def destroy(self) -> None:
        """Read no more, and give the subscriptions back."""
        self._made.close()

    def _storing(self, indices: list[int]) -> Callable[[Any], None]:
        """What takes the messages of one topic, for all keys that read it."""
        lasting = [self._topics[index].lasting for index in indices]

        def store(message: Any) -> None:
            bridge = self._bridge
            for index, identity in zip(indices, lasting):
                if identity is not None:
                    self._lasting[index, identity(message)] = message
                if bridge is not None:
                    bridge.store(index, message)

        return store

    def _failed(self, error: BaseException) -> None:
        self._node.get_logger().error(
            f"a sample was not taken: {describe(error)}", throttle_duration_sec=1.0
        )
