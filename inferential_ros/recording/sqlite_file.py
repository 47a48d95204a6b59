"""A rosbag2 recording in sqlite3, of any version of its tables.

Read by the standard library in the order of writing, which `rosbags` does not offer and which is
what tells a simulator's reset. A recorder that was killed leaves what came last in the database's
write-ahead log beside it, which is read as well.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

import numpy as np

from inferential_ros.recording.errors import BagError
from inferential_ros.recording.storage import ENTRY, Channel, Entry, Extras, message_type

MAGIC = b"SQLite format 3\0"
DAMAGE = (sqlite3.Error, ValueError, OverflowError)  # what bytes give that are no database


class SqliteFile:
    """Open for reading."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.extras = Extras()
        self.notes: list[str] = []
        self._rows = self._connect()
        try:
            self.distribution = self._distribution()
            self.channels = self._channels()
        except DAMAGE as error:
            self._rows.close()
            raise BagError(f"{path}: {error}; {_recover(path)}") from None
        self.entries = self._entries()

    def read(self, entry: Entry) -> bytes | None:
        """The serialized message of an entry, or None where the file is damaged there."""
        query = "SELECT data FROM messages WHERE id = ?"
        try:
            row = self._rows.execute(query, (entry.offset,)).fetchone()
        except DAMAGE:
            return None
        return row[0] if row is not None and isinstance(row[0], bytes) else None

    def close(self) -> None:
        """Close the file."""
        self._rows.close()

    def _connect(self) -> sqlite3.Connection:
        """With its write-ahead log, which takes a folder that can be written; else without."""
        address = f"file:{quote(str(self._path.absolute()))}"
        rows = sqlite3.connect(f"{address}?mode=ro", uri=True)
        try:
            rows.execute("SELECT name FROM sqlite_master").fetchall()
            return rows
        except DAMAGE:
            rows.close()
        log = self._path.with_name(self._path.name + "-wal")
        if log.exists() and log.stat().st_size:
            self.notes.append(
                f"the last messages lie in {log.name}, which can only be read where its folder can"
                " be written: copy the recording to such a place"
            )
        return sqlite3.connect(f"{address}?immutable=1", uri=True)

    def _columns(self, table: str) -> list[str]:
        return [row[1] for row in self._rows.execute(f"PRAGMA table_info({table})")]

    def _distribution(self) -> str:
        """As the database names it; by its tables it is of before Iron, or after."""
        row = None
        if "ros_distro" in self._columns("schema"):
            row = self._rows.execute("SELECT ros_distro FROM schema").fetchone()
        by_tables = "jazzy" if self._columns("message_definitions") else "humble"
        return str(row[0]) if row is not None and row[0] else by_tables

    def _channels(self) -> dict[int, Channel]:
        definitions: dict[str, tuple[str, str]] = {}
        if "encoded_message_definition" in self._columns("message_definitions"):
            query = (
                "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
            )
            definitions = {
                name: (str(how), str(text)) for name, how, text in self._rows.execute(query)
            }
        if not {"id", "name", "type", "serialization_format"} <= set(self._columns("topics")):
            raise BagError(f"{self._path} is no recording of rosbag2: it has no table `topics`")
        channels = {}
        for number, *texts in self._rows.execute(
            "SELECT id, name, type, serialization_format FROM topics"
        ):
            topic, name, encoding = (str(each or "") for each in texts)
            language, text = definitions.get(name, ("", ""))
            channels[number] = Channel(number, topic, message_type(name), encoding, language, text)
        return channels

    def _entries(self) -> np.ndarray:
        """All that can be read; a damaged database ends where the damage begins."""
        found: list[tuple[int, int, int, int]] = []
        query = "SELECT timestamp, topic_id, id FROM messages ORDER BY id"
        try:
            for time_ns, channel, number in self._rows.execute(query):
                if channel in self.channels and isinstance(time_ns, int) and number is not None:
                    found.append((time_ns, channel, 0, number))
        except DAMAGE as error:
            self.notes.append(
                f"{self._path.name} is damaged ({error}): the {len(found)} messages before the"
                f" damage are read; {_recover(self._path)}"
            )
        return np.array(found, ENTRY)


def _recover(path: Path) -> str:
    return f"`sqlite3 {path.name} .recover | sqlite3 whole.db3` saves what there is"
