"""An MCAP recording that is written while messages come, from any thread."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.errors import WriterError

from inferential_ros.recording.bag import BagError
from inferential_ros.recording.definitions import Definitions


class BagWriter:
    """A new rosbag2 folder with one MCAP file; complete once it is closed."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._definitions = Definitions()
        self._connections: dict[str, Any] = {}
        self.counts: dict[str, int] = {}
        try:
            self._writer = Writer(Path(path), version=9, storage_plugin=StoragePlugin.MCAP)
            self._writer.open()
        except (WriterError, OSError) as error:
            raise BagError(f"{path}: {error}") from None

    def add(self, topic: str, type_name: str) -> None:
        """Announce a topic; BagError if its type is not known."""
        with self._lock:
            if topic in self._connections:
                return
            self._definitions.need(type_name)
            self._connections[topic] = self._writer.add_connection(
                topic, type_name, typestore=self._definitions.store
            )
            self.counts[topic] = 0

    def write(self, topic: str, time_ns: int, serialized: bytes) -> None:
        """One message as it came, still serialized. Nothing after the end.

        BagError where it cannot be written, such as for a full disk: that is the end.
        """
        with self._lock:
            connection = self._connections.get(topic)
            if connection is not None:
                try:
                    self._writer.write(connection, time_ns, serialized)
                except OSError as error:
                    self._connections = {}
                    raise self._incomplete(error) from None
                self.counts[topic] += 1

    def close(self) -> None:
        """Finish the file; BagError where that cannot be written. Idempotent."""
        with self._lock:
            if self._connections:
                self._connections = {}
                try:
                    self._writer.close()
                except OSError as error:
                    raise self._incomplete(error) from None

    def _incomplete(self, error: OSError) -> BagError:
        written = sum(self.counts.values())
        return BagError(
            f"{self._path}: {error.strerror}: the recording ends here, incomplete;"
            f" {written} messages came until then"
        )
