#!/usr/bin/env bash
# rosbags leaves out what lies in the write-ahead log of a sqlite3 recording, and says nothing
#
# Version: rosbags 0.11.9, Python 3.11, Linux.
# Behaviour: a recorder that uses sqlite's write-ahead log (as rosbag2's storage preset "resilient"
#   does: ros2/rosbag2#568) and is killed leaves its last, committed transactions in the -wal file
#   beside the .db3. sqlite reads both. rosbags opens the database with `immutable=1`, which tells
#   sqlite to ignore the log: committed messages are missing, without an error or a warning.
# Output seen:
#   sqlite3 finds 100 committed messages, rosbags 50
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rosbags==0.11.9
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON' || true
import os
import sqlite3
from pathlib import Path

from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

store = get_typestore(Stores.ROS2_JAZZY)
with Writer(Path("bag"), version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
    connection = writer.add_connection("/value", "std_msgs/msg/Float64", typestore=store)
    for time_ns in range(50):
        writer.write(connection, time_ns, b"\0\1\0\0" + bytes(8))

rows = sqlite3.connect("bag/bag.db3")
rows.execute("PRAGMA journal_mode=WAL")
insert = "INSERT INTO messages (topic_id, timestamp, data) VALUES (1, ?, ?)"
for time_ns in range(50, 100):
    rows.execute(insert, (time_ns, b"\0\1\0\0" + bytes(8)))
rows.commit()
os._exit(9)  # as a recorder ends that is killed
PYTHON
"$folder/venv/bin/python" - <<'PYTHON'
import sqlite3
from pathlib import Path

from rosbags.rosbag2 import Reader

with Reader(Path("bag")) as reader:
    found = sum(1 for _ in reader.messages())
rows = sqlite3.connect("file:bag/bag.db3?mode=ro", uri=True)
((committed,),) = rows.execute("SELECT count(*) FROM messages")
print(f"sqlite3 finds {committed} committed messages, rosbags {found}")
assert (committed, found) == (100, 50), "the behaviour has changed"
PYTHON
