"""The publishers and action clients of a contract's outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from rclpy.callback_groups import CallbackGroup
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode

from inferential_core.errors import describe
from inferential_core.process.users_code import Foreign
from inferential_ros.bridge.goals import GoalSender
from inferential_ros.bridge.options import make_rule
from inferential_ros.contract.schema import Contract, Output, Qos
from inferential_ros.convert.registry import EVERY_TICK, ON_PLAN
from inferential_ros.execution.channel import make_channel
from inferential_ros.execution.executor import Source, Tick
from inferential_ros.execution.plan import Plan
from inferential_ros.qos import qos_profile

SENSOR = qos_profile(Qos(reliable=False))  # which every publisher matches
ACK_WAIT_S = 0.1  # for the last word to a controller, before its publisher goes away


class Sender(ABC):
    """One output: a topic, or an action."""

    @property
    @abstractmethod
    def problem(self) -> str:
        """Why the robot does not do what it is told; '' where nothing is wrong."""

    @property
    @abstractmethod
    def published(self) -> int:
        """How many messages or goals the robot got."""

    @abstractmethod
    def publish(self, values: np.ndarray, source: Source) -> None:
        """The values of a tick, which an output that stays silent does not get."""

    @abstractmethod
    def follow(self, plan: Plan, now_ns: int) -> None:
        """A new plan (H, D) is ahead."""

    @abstractmethod
    def flush(self) -> None:
        """Wait until the robot has what it was told, or a moment."""

    @abstractmethod
    def destroy(self) -> None:
        """Give everything back."""

    @abstractmethod
    def listeners(self) -> int:
        """How many take the commands."""

    @abstractmethod
    def rivals(self) -> int:
        """How many others command the same."""


class Outputs:
    """One sender per output, in the contract's order."""

    def __init__(self, node: LifecycleNode, contract: Contract, group: CallbackGroup) -> None:
        self.declared = contract.action.outputs
        self._node = node
        self._senders: list[Sender] = []
        for index, output in enumerate(self.declared):
            if output.sent == EVERY_TICK:
                self._senders.append(TopicSender(node, output, group))
            elif output.sent == ON_PLAN:
                self._senders.append(PlanSender(node, contract, index, group))
            else:
                self._senders.append(ChangeSender(node, output, group))
        self.takes_plans = any(output.sent == ON_PLAN for output in self.declared)

    def publish(self, tick: Tick) -> None:
        """What a control tick gives to each output that is not silent."""
        for sender, values in zip(self._senders, tick.values):
            if values is not None:
                try:
                    sender.publish(values, tick.source)
                except BaseException as error:  # the others are told to stop all the same
                    self._failed(error)

    def follow(self, plan: Plan, now_ns: int) -> None:
        """A new plan, as far as it is ahead."""
        for sender in self._senders:
            try:
                sender.follow(plan, now_ns)
            except BaseException as error:
                self._failed(error)

    def _failed(self, error: BaseException) -> None:
        self._node.get_logger().error(
            f"an output was not published: {describe(error)}", throttle_duration_sec=1.0
        )

    def flush(self) -> None:
        """Wait until the robot has what it was told, or a moment."""
        for sender in self._senders:
            sender.flush()

    def destroy(self) -> None:
        """Give everything back."""
        senders, self._senders = self._senders, []
        for sender in senders:
            sender.destroy()

    @property
    def published(self) -> list[int]:
        """How many messages or goals went to each."""
        return [sender.published for sender in self._senders]

    def problems(self) -> list[str]:
        """Why the robot does not do what it is told, for each; '' where nothing is wrong."""
        return [sender.problem for sender in self._senders]

    def subscribers(self) -> list[int]:
        """How many listen to each."""
        return [sender.listeners() for sender in self._senders]

    def rivals(self) -> list[int]:
        """How many others publish on the topic of each."""
        return [sender.rivals() for sender in self._senders]


class TopicSender(Sender):
    """A message at every tick."""

    def __init__(self, node: LifecycleNode, output: Output, group: CallbackGroup) -> None:
        self._problem = ""
        self._published = 0
        self._node = node
        self._clock = node.get_clock()
        self._encode, self._stamp = output.encode, output.stamp
        self._publisher = node.create_lifecycle_publisher(
            output.message, output.topic, qos_profile(output.qos)
        )
        heard = getattr(output.encode, "listens", ())
        self._waits_for = ", ".join(each.topic for each in heard)
        self._subscriptions = [
            node.create_subscription(
                each.message, each.topic, each.take, SENSOR, callback_group=group
            )
            for each in heard
        ]

    @property
    def problem(self) -> str:
        return self._problem

    @property
    def published(self) -> int:
        return self._published

    def publish(self, values: np.ndarray, source: Source) -> None:
        message = self._encode(values)
        if message is None:
            self._problem = f"nothing is published before a message on {self._waits_for}"
            return
        self._problem = ""
        self._published += 1
        if self._stamp is not None:
            self._stamp(message, self._clock.now().to_msg())
        self._publisher.publish(message)

    def follow(self, plan: Plan, now_ns: int) -> None:
        pass  # its steps come at their ticks

    def flush(self) -> None:
        self._publisher.wait_for_all_acked(Duration(seconds=ACK_WAIT_S))

    def destroy(self) -> None:
        self._node.destroy_lifecycle_publisher(self._publisher)
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def listeners(self) -> int:
        return int(self._publisher.get_subscription_count())

    def rivals(self) -> int:
        return max(0, int(self._node.count_publishers(self._publisher.topic_name)) - 1)


class ChangeSender(Sender):
    """A goal whenever a value has changed by more than the threshold."""

    def __init__(self, node: LifecycleNode, output: Output, group: CallbackGroup) -> None:
        self._node = node
        self._encode: Foreign[Any] = output.encode
        self._threshold = np.array(output.threshold)
        self._sent: np.ndarray | None = None
        self._goals = GoalSender(node, output, group)

    @property
    def problem(self) -> str:
        return self._goals.problem

    @property
    def published(self) -> int:
        return self._goals.accepted

    def publish(self, values: np.ndarray, source: Source) -> None:
        changed = self._sent is None or (np.abs(values - self._sent) > self._threshold).any()
        if changed or self._goals.retries():
            self._sent = values
            self._goals.send(self._encode(values))

    def follow(self, plan: Plan, now_ns: int) -> None:
        pass  # its steps come at their ticks

    def flush(self) -> None:
        self._goals.finish()
        self._sent = None  # whoever moves the gripper meanwhile is not known here

    def destroy(self) -> None:
        self._goals.destroy()

    def listeners(self) -> int:
        return int(self._node.count_publishers(f"{self._goals.action_name}/_action/status"))

    def rivals(self) -> int:
        feedback = f"{self._goals.action_name}/_action/feedback"
        return max(0, int(self._node.count_subscribers(feedback)) - 1)


class PlanSender(ChangeSender):
    """Every plan is one goal, which takes the place of the one before.

    A plan that is over, a fallback and a stop cancel it.
    """

    def __init__(
        self, node: LifecycleNode, contract: Contract, index: int, group: CallbackGroup
    ) -> None:
        super().__init__(node, contract.action.outputs[index], group)
        action = contract.action
        # The largest step of a tick, for as many ticks as a step of the plan takes.
        self._rule = make_rule(contract, index).over(action.control_rate_hz / action.rate_hz)
        self._last: np.ndarray | None = None
        self._running = False

    def publish(self, values: np.ndarray, source: Source) -> None:
        self._last = values
        self._goals.retries()  # a plan is not sent twice, but a silent server is told of
        if source is not Source.PLAN:
            self._stop()

    def follow(self, plan: Plan, now_ns: int) -> None:
        """The steps that are still to come; the last one where all have begun."""
        channel = make_channel(self._rule)
        if self._last is not None:
            channel.begin_at(self._last)
        first = max(0, min(plan.steps_until(now_ns + 1), plan.horizon - 1))
        dues_ns = [plan.due_ns(step) for step in range(first, plan.horizon)]
        rows = [
            channel.follow(row, due_ns, True) for row, due_ns in zip(plan.actions[first:], dues_ns)
        ]
        times_s = [
            (due_ns - now_ns if due_ns > now_ns else plan.period_ns) / 1e9 for due_ns in dues_ns
        ]
        self._running = True
        self._goals.send(self._encode.plan(np.stack(rows), times_s))

    def flush(self) -> None:
        self._stop()
        self._goals.finish()

    def _stop(self) -> None:
        if self._running:
            self._running = False
            self._goals.cancel()
