"""A recording, whoever wrote it: its topics, and its messages in their order.

What cannot be read closes nothing else: it is named in `unreadable` (topics) and `notes` (files,
messages), and the rest is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zstandard

from inferential_ros.contract.draft import JOINTS, Seen
from inferential_ros.contract.draft_keys import Heard
from inferential_ros.recording.decoding import Decode, DecodeError, Decoders
from inferential_ros.recording.errors import BagError as BagError
from inferential_ros.recording.files import Listing, files_of, open_file
from inferential_ros.recording.ordering import episodes_of, in_order
from inferential_ros.recording.storage import ENTRY, Channel, Entry, Extras, Storage

NONE = np.zeros(0, np.int64)
AT_ONCE = 4096  # entries that are made into Python objects
JOINT_STATES = 300  # messages of a topic, among which each of its publishers is looked for


class Recorded(NamedTuple):
    """One message; time_ns: when it was recorded; episode: counts how often time went back."""

    topic: str
    type: str
    time_ns: int
    message: Any
    episode: int = 0


class Bag:
    """An open recording."""

    def __init__(self, listing: Listing, storages: list[Storage]) -> None:
        self._storages = storages
        self._per_message = listing.per_message
        self.types: dict[str, str] = {}
        self.definitions: dict[str, Any] = {}  # that it brings, of rosbags, by name of the type
        self.unreadable: dict[str, str] = {}  # topic -> why none of its messages can be read
        self._notes = listing.notes
        self._misfits: dict[str, _Misfits] = {}  # by topic
        self._decoders: dict[tuple[int, int], tuple[Channel, Decode]] = {}
        self._find_decoders(listing.distribution)
        times_ns = np.concatenate([np.zeros(0, "i8"), *(s.entries["time_ns"] for s in storages)])
        self.duration_s = float(np.ptp(times_ns)) / 1e9 if len(times_ns) else 0.0

    @property
    def extras(self) -> Extras:
        """What travels beside the messages, of all files; a later file's counts."""
        extras = Extras()
        for storage in self._storages:
            extras.metadata.update(storage.extras.metadata)
            extras.attachments.update(storage.extras.attachments)
        return extras

    @property
    def notes(self) -> list[str]:
        """What was left out so far, each a sentence; more may follow while messages are read."""
        told = [*self._notes, *(note for storage in self._storages for note in storage.notes)]
        for topic, misfits in self._misfits.items():
            count = len(misfits.places)
            told.append(f"{topic}: messages left out: {count}, the first as: {misfits.why}")
        return told

    def count(self, topic: str) -> int:
        """How many messages of the topic were written."""
        return sum(
            int((storage.entries["channel"] == number).sum())
            for file, storage in enumerate(self._storages)
            for number, channel in storage.channels.items()
            if channel.topic == topic and (file, number) in self._decoders
        )

    def messages(self, topics: Collection[str]) -> Iterator[Recorded]:
        """Those of the topics: by episode, then in the order of recording."""
        entries, files, numbers = self._written(sorted(set(topics)))
        episodes = episodes_of(entries["time_ns"], numbers)
        order = in_order(entries["time_ns"], episodes)
        for start in range(0, len(order), AT_ONCE):
            some = order[start : start + AT_ONCE]
            rows = (entries[some].tolist(), files[some].tolist(), episodes[some].tolist())
            for row, file, episode in zip(*rows):
                entry = Entry(*row)
                message = self._decoded(file, entry)
                if message is not None:
                    channel, _ = self._decoders[file, entry.channel]
                    yield Recorded(channel.topic, channel.type, entry.time_ns, message, episode)

    def _find_decoders(self, distribution: str) -> None:
        made: dict[str, Decoders] = {}
        for file, storage in enumerate(self._storages):
            recorded_by = distribution or storage.distribution
            decoders = made.setdefault(recorded_by, Decoders(recorded_by))
            for number, channel in storage.channels.items():
                try:
                    decode = decoders.of(channel)
                except BagError as error:
                    kind = f" ({channel.type})" if channel.type else ""
                    self.unreadable[channel.topic] = f"{channel.topic}{kind}: {error}"
                    continue
                known = self.types.setdefault(channel.topic, channel.type)
                if known == channel.type:
                    self._decoders[file, number] = (channel, decode)
                else:
                    self._notes.append(
                        f"{channel.topic} was recorded as {known} and as {channel.type}: only the"
                        " former is read"
                    )
        for decoders in made.values():
            self.definitions.update(decoders.definitions)
        for topic in self.types.keys() & self.unreadable.keys():
            self._notes.append(self.unreadable.pop(topic))  # some of its messages can be read

    def _written(self, topics: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Entries in the order of writing, and for each its file and which of the topics it is."""
        entries, files, numbers = [np.zeros(0, ENTRY)], [NONE], [NONE]
        for file, storage in enumerate(self._storages):
            of = {
                number: topics.index(channel.topic)
                for number, channel in storage.channels.items()
                if channel.topic in topics and (file, number) in self._decoders
            }
            chosen = storage.entries[np.isin(storage.entries["channel"], list(of))]
            entries.append(chosen)
            files.append(np.full(len(chosen), file))
            numbers.append(np.array([of[n] for n in chosen["channel"].tolist()], np.int64))
        return np.concatenate(entries), np.concatenate(files), np.concatenate(numbers)

    def _decoded(self, file: int, entry: Entry) -> Any:
        """The message; None where it is damaged, which the file has a note of, or does not fit."""
        channel, decode = self._decoders[file, entry.channel]
        data = self._storages[file].read(entry)
        if data is None:
            return None
        try:
            return decode(zstandard.decompress(data) if self._per_message else data)
        except (DecodeError, zstandard.ZstdError) as error:
            misfits = self._misfits.setdefault(channel.topic, _Misfits(str(error)))
            misfits.places.add((file, entry.block, entry.offset))
            return None


@dataclass
class _Misfits:
    """Messages of a topic that are not what their definition says."""

    why: str
    places: set[tuple[int, int, int]] = field(default_factory=set)


@contextmanager
def open_bag(path: str | Path) -> Iterator[Bag]:
    """A recording: its folder, or one file of it; BagError if nothing of it can be read."""
    listing = files_of(Path(path))
    with ExitStack() as stack:
        storages: list[Storage] = []
        failure: BagError | None = None
        for file in listing.files:
            try:
                storages.append(open_file(file, stack))
            except BagError as error:
                failure = error
                listing.notes.append(str(error))
        if failure is not None and not storages:
            raise failure
        yield Bag(listing, storages)


def topics_of(path: str | Path, note: Callable[[str], None] = lambda sentence: None) -> list[Seen]:
    """The topics of a recording, as `inferential contract new` looks at them.

    Nothing in a recording says who listened: what is called a command, and what is a trajectory
    of joints, counts as one. What cannot be read is told to `note`.
    """
    with open_bag(path) as bag:
        heard = {topic: Heard(type_name) for topic, type_name in bag.types.items()}
        for topic, type_name in bag.types.items():
            looked_at = JOINT_STATES if type_name == JOINTS else 1
            for recorded in islice(bag.messages([topic]), looked_at):
                heard[topic].add(recorded.message)
        for sentence in (*bag.unreadable.values(), *bag.notes):
            note(sentence)
        return [
            Seen(
                topic=topic,
                type=type_name,
                publishers=0 if type_name == JOINTS and "command" in topic else 1,
                subscribers=int(
                    "command" in topic or "cmd" in topic or type_name.endswith("/JointTrajectory")
                ),
                sample=heard[topic].sample,
                left_out=heard[topic].left_out,
                rate_hz=(bag.count(topic) - 1) / bag.duration_s if bag.duration_s else 0.0,
            )
            for topic, type_name in sorted(bag.types.items())
        ]
