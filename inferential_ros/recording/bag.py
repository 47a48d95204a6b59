"""A recording, read with `rosbags`: its topics, and its messages in their order."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.typesys import Stores, get_typestore

from inferential_core import InferentialError
from inferential_ros.contract.draft import JOINTS, Seen


class BagError(InferentialError):
    """A recording that cannot be read, or does not hold what is asked of it."""


class Recorded(NamedTuple):
    """One message; time_ns: when it was recorded."""

    topic: str
    type: str
    time_ns: int
    message: Any


class Bag:
    """An open recording."""

    def __init__(self, reader: AnyReader) -> None:
        self._reader = reader
        self.types = {c.topic: c.msgtype for c in reader.connections}
        self.start_ns: int = reader.start_time
        self.duration_s: float = reader.duration / 1e9

    def count(self, topic: str) -> int:
        return sum(c.msgcount for c in self._reader.connections if c.topic == topic)

    def messages(self, topics: Collection[str]) -> Iterator[Recorded]:
        """Those of the topics, in the order of recording."""
        chosen = [c for c in self._reader.connections if c.topic in topics]
        if not chosen:
            return
        for connection, time_ns, raw in self._reader.messages(connections=chosen):
            message = self._reader.deserialize(raw, connection.msgtype)
            yield Recorded(connection.topic, connection.msgtype, time_ns, message)


@contextmanager
def open_bag(path: str | Path) -> Iterator[Bag]:
    """A recording: its folder, or its .mcap or .db3 file beside metadata.yaml."""
    place = Path(path)
    if place.suffix in (".mcap", ".db3") and (place.parent / "metadata.yaml").exists():
        place = place.parent
    try:
        reader = AnyReader([place], default_typestore=get_typestore(Stores.ROS2_JAZZY))
        reader.open()
    except (AnyReaderError, OSError) as error:
        raise BagError(f"{path}: {error}") from None
    try:
        yield Bag(reader)
    finally:
        reader.close()


def topics_of(path: str | Path) -> list[Seen]:
    """The topics of a recording, as `inferential contract new` looks at them.

    Nothing in a recording says who listened: what is called a command counts as one.
    """
    with open_bag(path) as bag:
        samples: dict[str, Any] = {}
        for topic in bag.types:
            for recorded in bag.messages([topic]):
                samples[topic] = recorded.message
                break
        return [
            Seen(
                topic=topic,
                type=type_name,
                publishers=0 if type_name == JOINTS and "command" in topic else 1,
                subscribers=int("command" in topic or "cmd" in topic),
                sample=samples.get(topic),
                rate_hz=(bag.count(topic) - 1) / bag.duration_s if bag.duration_s else 0.0,
            )
            for topic, type_name in sorted(bag.types.items())
        ]
