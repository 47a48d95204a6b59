"""What `inferential contract new` says of one topic's messages, and whether that reads them."""

from __future__ import annotations

import math
from typing import Any, Protocol

from inferential_ros.contract.key_sources import topic_key
from inferential_ros.convert.imu import ESTIMATES, estimates_of
from inferential_ros.convert.registry import InputError
from inferential_ros.options.errors import ContractError
from inferential_ros.options.yaml_values import Section

JOINTS = "sensor_msgs/msg/JointState"
IMAGE = "sensor_msgs/msg/Image"
FIELDS = ("position", "velocity", "effort")


class SeenTopic(Protocol):
    """What is looked at of a topic."""

    @property
    def type(self) -> str: ...
    @property
    def sample(self) -> Any: ...


def joint_names(seen: SeenTopic) -> list[str]:
    """The joints of a JointState topic: those that its message has once, or numbered ones."""
    if seen.sample is None:
        return []
    present = [str(name) for name in seen.sample.name]
    if not present:
        return [f"joint_{index + 1}" for index in range(len(seen.sample.position))]
    return [name for name in present if name and present.count(name) == 1]


def drafted_key(seen: SeenTopic) -> dict[str, Any]:
    """The options of a key, besides its topic and type."""
    sample = seen.sample
    if seen.type == JOINTS and sample is not None:
        return _of_joints(seen)
    if seen.type == IMAGE and sample is not None:
        return {"encodings": [str(sample.encoding)]}
    if seen.type == "sensor_msgs/msg/Imu" and sample is not None:
        given = estimates_of(sample)
        return {} if len(given) == len(ESTIMATES) else {"select": given}
    if seen.type == "sensor_msgs/msg/PointCloud2":
        return {"points": 2048}
    return {}


def _of_joints(seen: SeenTopic) -> dict[str, Any]:
    sample, joints = seen.sample, joint_names(seen)
    count = len(sample.name) or len(joints)
    filled = [field for field in FIELDS if len(getattr(sample, field)) == count]
    finite = [field for field in filled if all(map(math.isfinite, getattr(sample, field)))]
    options = {"joints": joints, "fields": finite or filled or ["position"]}
    return options if len(sample.name) else {**options, "unnamed": True}


def refusal(seen: SeenTopic, topic: str, options: dict[str, Any]) -> str:
    """Why a key with these options would not load, or not read the message that came; or ''."""
    section = Section({"topic": topic, "type": seen.type, **options}, "")
    try:
        key = topic_key("key", section)
        section.finish()
        empty = seen.type == IMAGE and not len(seen.sample.data) if seen.sample else True
        if not empty and key.decode is not None:
            key.decode(seen.sample)
    except (ContractError, InputError) as error:
        return " ".join(str(error).split())
    return ""
