"""A contract's quality of service -> rclpy's, and the profiles of the topics of our own."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from inferential_ros.contract.schema import Qos


def qos_profile(qos: Qos) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=qos.depth,
        reliability=ReliabilityPolicy.RELIABLE if qos.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL
        if qos.transient_local
        else DurabilityPolicy.VOLATILE,
    )


# A late joiner learns the state without waiting for the next report.
STATUS = qos_profile(Qos(reliable=True, transient_local=True))
CHUNKS = qos_profile(Qos(reliable=True, depth=5))
DIAGNOSTICS = qos_profile(Qos(reliable=True, depth=10))
