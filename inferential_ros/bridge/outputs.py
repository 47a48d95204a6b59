"""The publishers of a contract's outputs."""

from __future__ import annotations

from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode

from inferential_ros.contract.schema import Output
from inferential_ros.execution.executor import Tick
from inferential_ros.qos import qos_profile

ACK_WAIT_S = 0.1  # for the last word to a controller, before its publisher goes away


class Outputs:
    """One publisher per output, in the contract's order."""

    def __init__(self, node: LifecycleNode, outputs: tuple[Output, ...]) -> None:
        self._node = node
        self._clock = node.get_clock()
        self.declared = outputs
        self.published = [0] * len(outputs)
        self._outputs = [
            (
                output,
                node.create_lifecycle_publisher(
                    output.message, output.topic, qos_profile(output.qos)
                ),
            )
            for output in outputs
        ]

    def publish(self, tick: Tick) -> None:
        for index, values in enumerate(tick.values):
            if values is not None:
                output, publisher = self._outputs[index]
                self.published[index] += 1
                message = output.encode(values)
                if output.stamp is not None:
                    output.stamp(message, self._clock.now().to_msg())
                publisher.publish(message)

    def flush(self) -> None:
        """Wait until the subscribers have what was published, or a moment."""
        for _, publisher in self._outputs:
            publisher.wait_for_all_acked(Duration(seconds=ACK_WAIT_S))

    def destroy(self) -> None:
        outputs, self._outputs = self._outputs, []
        for _, publisher in outputs:
            self._node.destroy_lifecycle_publisher(publisher)

    def subscribers(self) -> list[int]:
        """How many listen to each."""
        return [publisher.get_subscription_count() for _, publisher in self._outputs]

    def rivals(self) -> list[int]:
        """How many others publish on the topic of each."""
        return [
            max(0, self._node.count_publishers(publisher.topic_name) - 1)
            for _, publisher in self._outputs
        ]
