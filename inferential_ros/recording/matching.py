"""Finds the topics of a recording that a contract names."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from inferential_ros.contract.schema import DROP, Contract
from inferential_ros.options.errors import suggestion
from inferential_ros.recording.errors import BagError


class Names:
    """Resolves a contract's names as a node would: remappings, then the namespace."""

    def __init__(self, types: Mapping[str, str], namespace: str, remap: Mapping[str, str]) -> None:
        self._types = types
        self._prefix = "/" + namespace.strip("/") + "/" if namespace.strip("/") else "/"
        self._remap = remap

    def resolved(self, name: str) -> str:
        """The full name of a topic: remapped, and within the namespace if it is relative."""
        name = self._remap.get(name, name)
        return name if name.startswith("/") else self._prefix + name

    def recorded(self, name: str, type_name: str) -> str | None:
        """The recorded topic that is meant, None without one.

        A relative name is also found in another namespace, if it is in one alone.
        """
        topic = self.resolved(name)
        if topic in self._types:
            return topic
        relative = self._remap.get(name, name)
        ends = [
            t for t in self._types if not relative.startswith("/") and t.endswith("/" + relative)
        ]
        fitting = [t for t in ends if self._types[t] == type_name]
        return fitting[0] if len(fitting) == 1 else None


def inputs_of(
    contract: Contract,
    types: Mapping[str, str],
    names: Names,
    unreadable: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, list[int]]:
    """Recorded topic -> indices of the contract's topic keys; BagError names one without.

    unreadable: topics of the recording that cannot be decoded, and why.
    """
    found: dict[str, list[int]] = {}
    for index, key in enumerate(contract.topics):
        topic = names.recorded(key.topic, key.type)
        if topic is None and names.resolved(key.topic) in unreadable:
            raise BagError(f"{key.path}.topic: {unreadable[names.resolved(key.topic)]}")
        if topic is None:
            if key.text is not None or key.align == DROP or key.quiet:
                continue  # it does without
            raise BagError(
                f"{key.path}.topic: {names.resolved(key.topic)!r} is not in the recording;"
                f" {suggestion(names.resolved(key.topic), types)}"
            )
        if types[topic] != key.type:
            raise BagError(f"{key.path}.type: {topic} was recorded as {types[topic]}")
        found.setdefault(topic, []).append(index)
    return found
