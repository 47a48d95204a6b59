"""A bridge's figures -> inferential/msg/BridgeStatus."""

from __future__ import annotations

from inferential.msg import BridgeStatus

from inferential_ros.bridge.bridge_core import BridgeCore
from inferential_ros.bridge.state import State
from inferential_ros.convert.chunk import duration_message, time_message

COUNTERS = (
    "observations",
    "invalid_plans",
    "fallback_ticks",
    "last_error",
    "observation_rate",
    "action_rate",
)


def status_message(bridge: BridgeCore, client_id: str, model: str, now_ns: int) -> BridgeStatus:
    """The report of this moment."""
    message = BridgeStatus(client=client_id, model=model, server=bridge.link.server)
    message.header.stamp = time_message(now_ns)
    with bridge.lock:
        statistics = bridge.statistics
        message.state = int(bridge.state)
        message.connected = bridge.link.connected and bridge.state is not State.INACTIVE
        message.epoch = bridge.epoch
        message.runway = duration_message(bridge.executor.runway_ns(now_ns))
        for name in COUNTERS:
            setattr(message, name, getattr(statistics, name))
        for name, count in statistics.outcomes.items():
            setattr(message, name, count)
        message.deadline_hits = statistics.plans_in_time
        message.deadline_misses = statistics.plans_late
        samples, p50, p95 = statistics.latency_percentiles()
    message.latency_samples, message.latency_p50, message.latency_p95 = samples, p50, p95
    return message
