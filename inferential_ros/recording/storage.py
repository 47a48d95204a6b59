"""What every kind of recording file offers to the rest of this room, whoever wrote it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

# One recorded message: when it was recorded, on which channel, and where it lies in the file.
# `block` and `offset` mean something to the file alone; sorted by both, the messages are in the
# order in which they were written, which is not always that of their times.
ENTRY = np.dtype([("time_ns", "i8"), ("channel", "i8"), ("block", "i8"), ("offset", "i8")])


class Entry(NamedTuple):
    """One of them."""

    time_ns: int
    channel: int
    block: int
    offset: int


@dataclass(frozen=True)
class Channel:
    """One topic of one file, as the file describes it.

    definition: text of the message definition, '' where the file has none; language: what the
    text is written in (`ros2msg` or `ros2idl`); encoding: of the messages, `cdr` in ROS 2.
    """

    number: int
    topic: str
    type: str
    encoding: str
    language: str = ""
    definition: str = ""


@dataclass
class Extras:
    """What travels in a file beside its messages; empty where the format has no place for it."""

    metadata: dict[str, dict[str, str]] = field(
        default_factory=dict
    )  # by name; later values count
    attachments: dict[str, bytes] = field(default_factory=dict)


class Storage(Protocol):
    """An open file with messages."""

    channels: dict[int, Channel]
    entries: np.ndarray  # of ENTRY, in the order of writing
    extras: Extras
    notes: list[str]  # what could not be read, each a sentence
    distribution: str  # the ROS distribution that wrote it, '' where the file does not say

    def read(self, entry: Entry) -> bytes | None:
        """The message of an entry, still serialized; None where it is damaged."""

    def close(self) -> None:
        """Nothing can be read afterwards."""


def message_type(name: str) -> str:
    """`package/msg/Name`, also for the short form `package/Name` that some writers use."""
    package, slash, rest = name.partition("/")
    return f"{package}/msg/{rest}" if slash and "/" not in rest else name
