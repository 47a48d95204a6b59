"""Collects what one topic says in several messages: the newest value of each named thing.

An arm and a gripper publish JointState on one topic, each with its own joints; /tf carries some
frames in each message. A decoder that finds its elements (joints, selected fields) by name has a
method `presence`, which says which of them a message has. A `Collector` keeps, for each element,
the newest message that has it, with that message's own stamp. A message with all elements passes
as it is; one with none of them is not for this key. No rclpy in here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol


class Presence:
    """Which elements the messages of one publisher have, and at which index of the message."""

    def __init__(self, columns: Mapping[int, int], names: Sequence[str] = ()) -> None:
        self.columns = columns  # element -> index in the message
        self.names = tuple(names)  # all that the message names, for complaints
        self.count = len(self.names)
        self.elements = frozenset(columns)


class Part(NamedTuple):
    """The elements that one message has the newest values of."""

    message: Any
    stamp_ns: int
    elements: frozenset[int]
    presence: Presence


class Collected(NamedTuple):
    """The newest values of the elements of a key, from several messages.

    missing: elements of which no message told yet. names: all that the messages name.
    """

    parts: tuple[Part, ...]
    missing: tuple[int, ...]

    @property
    def names(self) -> list[str]:
        """The names that the parts hold, part by part."""
        return [name for part in self.parts for name in part.presence.names]

    def oldest(self) -> Part:
        """The part with the earliest stamp."""
        return min(self.parts, key=lambda part: part.stamp_ns)


class Named(Protocol):
    """A decoder that finds its elements by their names."""

    elements: tuple[str, ...]

    def presence(self, message: Any) -> Presence:
        """Which of the wanted names a message holds."""


class Collector:
    """Of one key; used by the thread that receives its messages."""

    def __init__(self, decode: Named) -> None:
        self._decode = decode
        self._all = frozenset(range(len(decode.elements)))
        self._parts: tuple[Part, ...] = ()
        self._missing: tuple[int, ...] = ()

    def add(self, message: Any, stamp_ns: int) -> Any:
        """The sample with this message in it: the message, a `Collected`, or None if it has none
        of the elements.
        """
        presence = self._decode.presence(message)
        present = presence.elements
        if present == self._all:
            self._parts = (Part(message, stamp_ns, present, presence),)
            return message
        if not present:
            return None
        for index, part in enumerate(self._parts):
            if part.presence is presence and part.elements is present:  # a publisher's next one
                others = self._parts[:index] + self._parts[index + 1 :]
                self._parts = (*others, Part(message, stamp_ns, present, presence))
                return Collected(self._parts, self._missing)
        parts = []
        missing = self._all - present
        for part in self._parts:
            left = part.elements - present
            if left:
                parts.append(part if left == part.elements else part._replace(elements=left))
                missing -= left
        parts.append(Part(message, stamp_ns, present, presence))
        self._parts, self._missing = tuple(parts), tuple(sorted(missing))
        return Collected(self._parts, self._missing)

    def forget(self) -> None:
        """A new episode, or another clock: what was said before is of another time."""
        self._parts = ()


def is_sample(found: Any) -> bool:
    """Whether what a collector made of a message is all that its key needs."""
    return found is not None and not (type(found) is Collected and found.missing)


def collector_of(decode: Any) -> Any:
    """A collector for a decoder that finds its elements by name, or what the decoder itself makes
    (`decode.collector`); None for any other.
    """
    make = getattr(decode, "collector", None)
    if make is not None:
        return make()
    return Collector(decode) if getattr(decode, "elements", ()) else None
