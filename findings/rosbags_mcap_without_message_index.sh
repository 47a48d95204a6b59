#!/usr/bin/env bash
# rosbags iterates over none of a valid MCAP whose chunks have no message index, and says nothing
#
# Version: rosbags 0.11.9, mcap 1.6.0, Python 3.11, Linux.
# Behaviour: message indexes are optional in MCAP (https://mcap.dev/spec, "Message Index"). rosbags
#   opens such a file, reports its message count from the statistics, and `messages()` yields
#   nothing: no error, no warning. The reader of the package `mcap` yields all of them.
# Output seen:
#   rosbags says 10 messages and yields 0
#   mcap yields 10
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rosbags==0.11.9 mcap==1.6.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from pathlib import Path

from mcap.reader import make_reader
from mcap.writer import IndexType, Writer
from rosbags.highlevel import AnyReader

path = Path("plain.mcap")
with path.open("wb") as file:
    writer = Writer(file, index_types=IndexType.CHUNK)
    writer.start(profile="ros2")
    schema = writer.register_schema("std_msgs/msg/Float64", "ros2msg", b"float64 data\n")
    channel = writer.register_channel("/value", "cdr", schema)
    for time_ns in range(10):
        writer.add_message(channel, time_ns, b"\0\1\0\0" + bytes(8), time_ns)
    writer.finish()

with AnyReader([path]) as reader:
    said, yielded = reader.message_count, sum(1 for _ in reader.messages())
print(f"rosbags says {said} messages and yields {yielded}")
with path.open("rb") as file:
    found = sum(1 for _ in make_reader(file).iter_messages())
print(f"mcap yields {found}")
assert (said, yielded, found) == (10, 0, 10), "the behaviour has changed"
PYTHON
