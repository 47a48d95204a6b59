"""Small recordings of every make, written without ROS."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
from mcap.writer import CompressionType, IndexType, Writer
from rosbags.typesys import Stores, get_typestore

JAZZY, HUMBLE = get_typestore(Stores.ROS2_JAZZY), get_typestore(Stores.ROS2_HUMBLE)
STATE, CLOCK, RANGE, FRAMES = (
    "sensor_msgs/msg/JointState",
    "rosgraph_msgs/msg/Clock",
    "sensor_msgs/msg/Range",
    "tf2_msgs/msg/TFMessage",
)
TRANSFORM = ("TransformStamped", "Transform", "Vector3", "Quaternion")
START_NS = 1_700_000_000 * 10**9
STEP_NS = 20_000_000
# Of a robot whose states `states_in` writes.
CONTRACT = """
robot: r
model: {id: m}
observation:
  trigger: {on: state}
  keys:
    state: {topic: joint_states, type: sensor_msgs/msg/JointState, joints: [a, b]}
action:
  names: [a, b]
  rate_hz: 50
  outputs:
    - {topic: cmd, type: std_msgs/msg/Float64MultiArray, kind: position}
"""
# How writers of MCAP differ: with or without chunks, compression, indexes and a summary.
FLAVOURS: dict[str, dict[str, Any]] = {
    "whole": {},
    "small chunks": {"chunk_size": 300, "compression": CompressionType.LZ4},
    "uncompressed": {"compression": CompressionType.NONE},
    "no message index": {"index_types": IndexType.CHUNK},
    "no index": {"index_types": IndexType.NONE},
    "no chunks": {"use_chunking": False},
    "no statistics": {"use_statistics": False},
    "no summary": {
        "use_statistics": False,
        "use_summary_offsets": False,
        "repeat_channels": False,
        "repeat_schemas": False,
        "index_types": IndexType.NONE,
    },
}


def time_of(store: Any, time_ns: int) -> Any:
    kind = store.types["builtin_interfaces/msg/Time"]
    return kind(int(time_ns // 10**9), int(time_ns % 10**9))


def header(store: Any, stamp_ns: int) -> Any:
    return store.types["std_msgs/msg/Header"](time_of(store, stamp_ns), "")


def state(stamp_ns: int, *positions: float, names: tuple[str, ...] = ("a", "b")) -> bytes:
    """A JointState, serialized."""
    empty, values = np.zeros(0), np.array(positions or (0.0, 0.0), float)
    message = JAZZY.types[STATE](header(JAZZY, stamp_ns), list(names), values, empty, empty)
    return bytes(JAZZY.serialize_cdr(message, STATE))


def clock(time_ns: int) -> bytes:
    """A message of /clock, serialized."""
    return bytes(JAZZY.serialize_cdr(JAZZY.types[CLOCK](time_of(JAZZY, time_ns)), CLOCK))


def frame(stamp_ns: int, child: str, parent: str, x: float) -> bytes:
    """A TFMessage of one frame that is x metres along its parent's x, serialized."""
    kinds = (JAZZY.types[f"geometry_msgs/msg/{name}"] for name in TRANSFORM)
    stamped, transform, vector, quaternion = kinds
    place = transform(vector(x, 0.0, 0.0), quaternion(0.0, 0.0, 0.0, 1.0))
    head = JAZZY.types["std_msgs/msg/Header"](time_of(JAZZY, stamp_ns), parent)
    message = JAZZY.types[FRAMES]([stamped(head, child, place)])
    return bytes(JAZZY.serialize_cdr(message, FRAMES))


def definition(name: str, store: Any = JAZZY) -> bytes:
    return store.generate_msgdef(name, ros_version=2)[0].encode()


class Mcap:
    """An MCAP file that is written message by message: `with Mcap(path) as mcap: ...`."""

    def __init__(self, path: Path, **flavour: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")
        self.writer = Writer(self._file, **flavour)
        self.writer.start(profile="ros2")
        self._channels: dict[str, int] = {}

    def __enter__(self) -> Mcap:
        return self

    def __exit__(self, *exception: object) -> None:
        self.writer.finish()
        self._file.close()

    def channel(
        self,
        topic: str,
        name: str,
        text: bytes | None = None,
        *,
        encoding: str = "cdr",
        language: str = "ros2msg",
    ) -> None:
        """Announce a topic; text: of its definition, by default that of Jazzy."""
        text = definition(name) if text is None else text
        schema = self.writer.register_schema(name, language, text)
        self._channels[topic] = self.writer.register_channel(topic, encoding, schema)

    def write(self, topic: str, time_ns: int, data: bytes) -> None:
        self.writer.add_message(self._channels[topic], time_ns, data, time_ns)


def states_in(path: Path, count: int, **flavour: Any) -> Path:
    """An MCAP of joint states a and b at 50 Hz; a is the number of the message / 100."""
    with Mcap(path, **flavour) as mcap:
        mcap.channel("/joint_states", STATE)
        for index in range(count):
            time_ns = START_NS + index * STEP_NS
            mcap.write("/joint_states", time_ns, state(time_ns, index / 100, 0.2))
    return path


class Sqlite:
    """A recording of rosbag2 in sqlite3, with the tables of Humble: no definitions in it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.rows = sqlite3.connect(path)
        self.rows.executescript(
            "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,"
            " serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL);"
            "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL,"
            " timestamp INTEGER NOT NULL, data BLOB NOT NULL);"
        )

    def __enter__(self) -> Sqlite:
        return self

    def __exit__(self, *exception: object) -> None:
        self.rows.commit()
        self.rows.close()

    def channel(self, topic: str, name: str) -> None:
        self.rows.execute("INSERT INTO topics VALUES (NULL, ?, ?, 'cdr', '')", (topic, name))

    def write(self, topic: str, time_ns: int, data: bytes) -> None:
        query = "INSERT INTO messages SELECT NULL, id, ?, ? FROM topics WHERE name = ?"
        self.rows.execute(query, (time_ns, data, topic))
