"""What `inferential contract new` says of one topic's messages, and whether that reads them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

from inferential_ros.contract.key_sources import topic_key
from inferential_ros.convert.imu import ESTIMATES, estimates_of
from inferential_ros.convert.registry import InputError, NotYet
from inferential_ros.options.errors import ContractError
from inferential_ros.options.yaml_values import Section

JOINTS = "sensor_msgs/msg/JointState"
IMAGE = "sensor_msgs/msg/Image"
FIELDS = ("position", "velocity", "effort")


class SeenTopic(Protocol):
    """What is looked at of a topic."""

    @property
    def type(self) -> str:
        """The type of the topic's messages, such as `sensor_msgs/msg/JointState`."""

    @property
    def sample(self) -> Any:
        """A message of the topic, or None if none was seen."""


class Heard:
    """The messages of one topic, of which `sample` is the newest.

    Several nodes may publish joints on one topic; its sample then has the joints of all of them.
    """

    def __init__(self, type_name: str) -> None:
        self._has_joints = type_name == JOINTS
        self._newest: dict[tuple[str, ...], Any] = {}  # by the joints that it names
        self._joints: set[str] = set()

    def add(self, message: Any) -> None:
        """Look at a message, which is kept if it is newer or names other joints."""
        names = tuple(map(str, message.name)) if self._has_joints else ()
        if names in self._newest or not names or not self._joints.issuperset(names):
            self._newest[names] = message
            self._joints.update(names)

    @property
    def sample(self) -> Any:
        """A message with all that was seen; None where no message came."""
        named = [self._newest[names] for names in sorted(self._newest) if names]
        return _joined(named) if named else self._newest.get(())

    @property
    def left_out(self) -> tuple[str, ...]:
        """The joints that the sample lacks: their messages have not the fields of the others."""
        return tuple(sorted(self._joints.difference(self.sample.name))) if self._joints else ()


def _joined(messages: Sequence[Any]) -> Any:
    """One JointState with the joints of several, as far as they have the same field."""
    if len(messages) == 1:
        return messages[0]
    least = next((field for field in FIELDS if any(_has(m, field) for m in messages)), None)
    if least is None:
        return messages[-1]
    names: list[str] = []
    taken: list[tuple[Any, list[int]]] = []
    for message in messages:
        new = [i for i, name in enumerate(message.name) if name not in names]
        if new and _has(message, least):
            taken.append((message, new))
            names += [message.name[i] for i in new]
    values = {
        field: [float(getattr(message, field)[i]) for message, new in taken for i in new]
        for field in FIELDS
        if all(_has(message, field) for message, _ in taken)
    }
    empty: dict[str, list[float]] = {field: [] for field in FIELDS}
    first, _ = taken[0]
    return type(first)(header=first.header, name=names, **{**empty, **values})


def _has(message: Any, field: str) -> bool:
    return len(getattr(message, field)) == len(message.name)


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
    except NotYet:  # such as of a video between two key frames
        return ""
    except (ContractError, InputError) as error:
        return " ".join(str(error).split())
    return ""
