"""An MCAP recording that is written while messages come, from any thread.

What came reaches the file within FLUSH_S, as a chunk with its index, so a recorder that is killed
loses no more than that: such a file lacks its end, and `replay` reads it all the same.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mcap.writer import CompressionType, Writer
from ruamel.yaml import YAML

from inferential_ros.recording.definitions import Definitions
from inferential_ros.recording.errors import BagError
from inferential_ros.recording.files import METADATA

FLUSH_S = 1.0
CHUNK_BYTES = 4 * 2**20  # a larger one than what comes within FLUSH_S on most robots


class BagWriter:
    """A new rosbag2 folder with one MCAP file; whole once it is closed."""

    def __init__(self, path: str | Path, steady_s: Callable[[], float] = time.monotonic) -> None:
        self._folder = Path(path)
        self._steady_s = steady_s
        self._lock = threading.Lock()
        self._definitions = Definitions()
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}
        self._types: dict[str, str] = {}
        self._flushed_s = steady_s()
        self._times_ns: tuple[int, int] | None = None  # the earliest and the latest message
        self._ended = False
        self.counts: dict[str, int] = {}
        try:
            self._folder.mkdir(parents=True)
            self._file = (self._folder / f"{self._folder.name}.mcap").open("wb")
        except OSError as error:
            raise BagError(f"{path}: {error.strerror}: name a folder that is new") from None
        # LZ4 takes the least of the robot: raw images at half a gigabyte a second and core.
        self._writer = Writer(self._file, chunk_size=CHUNK_BYTES, compression=CompressionType.LZ4)
        self._writer.start(profile="ros2", library="inferential")

    def attach(self, name: str, media_type: str, data: bytes) -> None:
        """A file that travels in the recording."""
        with self._lock, self._until_full():
            self._writer.add_attachment(0, time.time_ns(), name, media_type, data)

    def describe(self, name: str, values: dict[str, str]) -> None:
        """Facts about the recording, in place of earlier ones of that name."""
        with self._lock, self._until_full():
            self._writer.add_metadata(name, values)

    def add(self, topic: str, type_name: str) -> None:
        """Announce a topic; BagError if its type is not known."""
        with self._lock:
            if topic in self._channels:
                return
            self._definitions.need(type_name)
            self._channels[topic] = self._writer.register_channel(
                topic, "cdr", self._schema(type_name), {"offered_qos_profiles": ""}
            )
            self._types[topic] = type_name
            self.counts[topic] = 0

    def write(self, topic: str, time_ns: int, serialized: bytes) -> None:
        """One message as it came, still serialized. Nothing after the end.

        BagError where it cannot be written, such as for a full disk: that is the end.
        """
        with self._lock:
            if self._ended:
                return
            with self._until_full():
                self._writer.add_message(self._channels[topic], time_ns, serialized, time_ns)
                self._flush_if_due()
            earliest_ns, latest_ns = self._times_ns or (time_ns, time_ns)
            self._times_ns = min(earliest_ns, time_ns), max(latest_ns, time_ns)
            self.counts[topic] += 1

    def flush_if_due(self) -> None:
        """To be called again and again, for messages after which no other comes."""
        with self._lock:
            if not self._ended:
                with self._until_full():
                    self._flush_if_due()

    def close(self) -> None:
        """Finish the file; BagError where that cannot be written. Idempotent."""
        with self._lock:
            if self._ended:
                return
            with self._until_full():
                self._writer.finish()
                self._file.close()
                with (self._folder / METADATA).open("w", encoding="utf-8") as file:
                    YAML().dump({"rosbag2_bagfile_information": self._information()}, file)
            self._ended = True

    def discard(self) -> None:
        """Remove the recording, of which nothing is worth keeping; whoever tries again may."""
        with self._lock:
            self._ended = True
            with contextlib.suppress(OSError):  # the disk is full, and there is nothing to keep
                self._file.close()
            for file in (self._folder / METADATA, self._folder / f"{self._folder.name}.mcap"):
                file.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # somebody else's file is in it
                self._folder.rmdir()

    def _flush_if_due(self) -> None:
        now_s = self._steady_s()
        if now_s - self._flushed_s >= FLUSH_S:
            self._flushed_s = now_s
            self._writer.flush()

    def _schema(self, type_name: str) -> int:
        if type_name not in self._schemas:
            text, _ = self._definitions.store.generate_msgdef(type_name, ros_version=2)
            self._schemas[type_name] = self._writer.register_schema(
                type_name, "ros2msg", text.encode()
            )
        return self._schemas[type_name]

    @contextlib.contextmanager
    def _until_full(self) -> Any:
        """A disk that takes no more ends the recording, and BagError says so."""
        try:
            yield
        except OSError as error:
            self._ended = True
            with contextlib.suppress(OSError):
                self._file.close()
            raise BagError(
                f"{self._folder}: {error.strerror}: the recording ends here, incomplete;"
                f" {sum(self.counts.values())} messages came until then"
            ) from None

    def _information(self) -> dict[str, Any]:
        """What metadata.yaml of rosbag2 says, of version 9."""
        earliest_ns, latest_ns = self._times_ns or (0, 0)
        times = {
            "starting_time": {"nanoseconds_since_epoch": earliest_ns},
            "duration": {"nanoseconds": latest_ns - earliest_ns},
            "message_count": sum(self.counts.values()),
        }
        file = f"{self._folder.name}.mcap"
        return {
            "version": 9,
            "storage_identifier": "mcap",
            **times,
            "topics_with_message_count": [
                {
                    "message_count": count,
                    "topic_metadata": {
                        "name": topic,
                        "type": self._types[topic],
                        "serialization_format": "cdr",
                        "offered_qos_profiles": [],
                        "type_description_hash": self._definitions.store.hash_rihs01(
                            self._types[topic]
                        ),
                    },
                }
                for topic, count in self.counts.items()
            ],
            "compression_format": "",
            "compression_mode": "",
            "relative_file_paths": [file],
            "files": [{"path": file, **times}],
            "custom_data": None,
            "ros_distro": "",
        }
