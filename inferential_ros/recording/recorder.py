"""Records what one bridge receives and does: sensors, plans, commands, status.

Messages are taken serialized and written as they are, so a camera costs no decoding, and by a
process of its own, so the bridge does not know of it. The stamp of an `action_chunk` says which
observation it answers: that of the reference key's sample. The contract and the version of the
model that answered travel with the messages, so a recording explains itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from inferential_ros.contract.schema import Contract, Qos
from inferential_ros.options.types import message_class
from inferential_ros.qos import CHUNKS, STATUS, qos_profile
from inferential_ros.recording.provenance import DESCRIPTIONS, Provenance
from inferential_ros.recording.writing import BagWriter

OURS = {
    "action_chunk": ("ActionChunk", CHUNKS),
    "executed_chunk": ("ActionChunk", CHUNKS),
    "bridge_status": ("BridgeStatus", STATUS),
}
CLOCK, TEXT = "rosgraph_msgs/msg/Clock", "std_msgs/msg/String"
DEPTH = 50  # a recorder may fall behind for a moment


class Recorder:
    """Subscriptions of a node to the topics of a contract, and to those of its bridge."""

    def __init__(
        self,
        node: Node,
        contract: Contract,
        writer: BagWriter,
        provenance: Provenance | None = None,
    ) -> None:
        import inferential.msg

        self._clock = node.get_clock()
        self._writer = writer
        self._provenance = provenance or Provenance(model=contract.model.id)
        self._provenance.write(writer)
        for key in contract.topics:
            if key.message is not None:
                self._subscribe(node, key.topic, key.message, key.type, _profile(key.qos))
        for output in contract.action.outputs:
            if output.action is not None:
                continue  # goals are no topic; executed_chunk has their values
            # Best effort: reliable publishers match it, and none is slowed down by us.
            self._subscribe(node, output.topic, output.message, output.type, _profile(BEST_EFFORT))
        for topic, (name, profile) in OURS.items():
            message = getattr(inferential.msg, name)
            self._subscribe(node, topic, message, f"inferential/msg/{name}", profile)
        if contract.awaits_urdf:
            for topic in DESCRIPTIONS:
                text = message_class(TEXT, "")
                self._subscribe(node, topic, text, TEXT, _profile(LATCHED))
        if self._clock.ros_time_is_active:
            clock = message_class(CLOCK, "")
            self._subscribe(node, "/clock", clock, CLOCK, _profile(BEST_EFFORT))
        chunks = node.resolve_topic_name("action_chunk")
        node.create_subscription(inferential.msg.ActionChunk, chunks, self._note_version, CHUNKS)

    def _subscribe(
        self, node: Node, name: str, message: type[Any], type_name: str, profile: QoSProfile
    ) -> None:
        topic = node.resolve_topic_name(name)
        if topic in self._writer.counts:
            return
        self._writer.add(topic, type_name)
        node.create_subscription(message, topic, self._storing(topic), profile, raw=True)

    def _storing(self, topic: str) -> Callable[[bytes], None]:
        def store(serialized: bytes) -> None:
            self._writer.write(topic, self._clock.now().nanoseconds, serialized)

        return store

    def _note_version(self, chunk: Any) -> None:
        """The version of the model is known once it answered, and changes while robots move."""
        if chunk.model_version and chunk.model_version != self._provenance.model_version:
            self._provenance = replace(self._provenance, model_version=chunk.model_version)
            self._provenance.write(self._writer)


BEST_EFFORT = Qos(reliable=False)
LATCHED = Qos(reliable=True, transient_local=True)


def _profile(qos: Qos) -> QoSProfile:
    durability = DurabilityPolicy.VOLATILE
    if qos.transient_local:
        return qos_profile(Qos(reliable=True, transient_local=True, depth=DEPTH))
    return QoSProfile(
        depth=DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT, durability=durability
    )
