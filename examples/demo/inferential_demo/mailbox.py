"""Takes messages without an executor.

rclpy's executor builds a wait set of everything the node has for every single message: a
simulator spent 6 % of a core on that, the director (900 messages a second) 60 %. Both have a
clock of their own anyway, and look into their subscriptions when it ticks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rclpy.subscription import Subscription


def drain(subscription: Subscription) -> Iterator[tuple[Any, int]]:
    """Every waiting message, oldest first, with the wall time in ns at which it was published."""
    kind, raw = subscription.msg_type, subscription.raw
    with subscription.handle:
        while (taken := subscription.handle.take_message(kind, raw)) is not None:
            message, info = taken
            yield message, info["source_timestamp"]


def newest(subscription: Subscription) -> Any:
    """The newest waiting message; None when there is none."""
    last = None
    for message, _ in drain(subscription):
        last = message
    return last


def ignore(_: object) -> None:
    """Callback of a subscription that is only ever drained."""
