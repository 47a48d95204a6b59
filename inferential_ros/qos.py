"""A contract's quality of service -> rclpy's, and the profiles of the topics of our own."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from inferential_ros.contract.schema import Qos
from inferential_ros.distributions import PublisherEventCallbacks


def qos_profile(qos: Qos) -> QoSProfile:
    """The quality of service that rclpy takes, of what a contract declares."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=qos.depth,
        reliability=ReliabilityPolicy.RELIABLE if qos.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL
        if qos.transient_local
        else DurabilityPolicy.VOLATILE,
    )


def matching_qos(node: Node, topic: str, qos: Qos) -> Qos:
    """What a contract says; where it says nothing, what those who publish the topic now offer.

    Reliable only if all of them are, and latched only if all are, so that all of them match.
    Where it can be had, reliable is what brings large images through: one lost fragment of an
    unreliable one loses it all.
    """
    if qos.declared:
        return qos
    offers = [
        info.qos_profile
        for info in node.get_publishers_info_by_topic(node.resolve_topic_name(topic))
    ]
    if not offers:
        return qos
    reliable = all(offer.reliability == ReliabilityPolicy.RELIABLE for offer in offers)
    latched = all(offer.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers)
    return Qos(reliable=reliable, transient_local=reliable and latched, depth=qos.depth)


# A late joiner learns the state without waiting for the next report.
STATUS = qos_profile(Qos(reliable=True, transient_local=True))
CHUNKS = qos_profile(Qos(reliable=True, depth=5))
DIAGNOSTICS = qos_profile(Qos(reliable=True, depth=10))

# For publishers whose subscribers' quality of service is nobody's business: an executor of rclpy
# looks at each kind of event, of each publisher, every time it goes to sleep.
QUIET = PublisherEventCallbacks(use_default_callbacks=False)
