"""The keys `topic`, `type` and `qos`, which inputs and outputs share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from inferential_ros.contract.schema import Qos
from inferential_ros.options.errors import ContractError
from inferential_ros.options.types import action_class, message_class, type_name
from inferential_ros.options.yaml_values import Section, boolean, integer, one_of, text

TOPIC = re.compile(r"[~/]?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*|~/[A-Za-z0-9_/]+")
PROFILES = {
    "sensor": Qos(reliable=False),
    "reliable": Qos(reliable=True),
    "latched": Qos(reliable=True, transient_local=True),
}


@dataclass(frozen=True)
class Topic:
    """A topic and its type; `qos` is read last, as its default depends on the type.

    action: the class of a ROS action, whose goal is the message; None for a topic.
    """

    name: str
    type: str
    message: type[Any]
    action: type[Any] | None = None

    def qos(self, section: Section, *, reliable: bool) -> Qos:
        """The quality of service that the contract declares for the topic, or the default."""
        return section.get("qos", _qos, Qos(reliable=reliable, declared=False))


def read_topic(section: Section) -> Topic:
    """Name and type of a topic; the type must be importable."""
    name = section.get("topic", text)
    if not TOPIC.fullmatch(name):
        raise ContractError(section.at("topic"), f"{name!r} is no valid topic name")
    path = section.at("type")
    given = type_name(section.get("type", text))
    if "/action/" in given:
        action = action_class(given, path)
        return Topic(name, given, action.Goal, action)
    message = message_class(given, path)
    if not [field for field in message.get_fields_and_field_types() if field != "header"]:
        raise ContractError(path, f"{given} carries nothing")
    return Topic(name, given, message)


def _qos(value: Any, path: str) -> Qos:
    if isinstance(value, str):
        return PROFILES[one_of(*PROFILES)(value, path)]
    section = Section(value, path)
    qos = Qos(
        reliable=section.get("reliable", boolean, False),
        transient_local=section.get("transient_local", boolean, False),
        depth=section.get("depth", integer, 1),
    )
    section.finish()
    if qos.depth < 1:
        raise ContractError(f"{path}.depth", "must be at least 1")
    return qos
