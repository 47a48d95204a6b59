#!/usr/bin/env bash
# One JSON channel in an MCAP keeps rosbags from reading the ROS 2 topics beside it
#
# Version: rosbags 0.11.9, mcap 1.6.0, Python 3.11, Linux.
# Behaviour: an MCAP may hold channels of any encoding side by side, and tools of the field write
#   JSON beside ROS 2's cdr (logs, events). rosbags refuses the file as a whole when it opens it, also
#   where only the ROS 2 topic is asked for.
# Output seen:
#   rosbags: refused with a KeyError: 'jsonschema'
#   mcap yields 5 of /value
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rosbags==0.11.9 mcap==1.6.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from pathlib import Path

from mcap.reader import make_reader
from mcap.writer import Writer
from rosbags.highlevel import AnyReader

path = Path("mixed.mcap")
with path.open("wb") as file:
    writer = Writer(file)
    writer.start(profile="ros2")
    schema = writer.register_schema("std_msgs/msg/Float64", "ros2msg", b"float64 data\n")
    value = writer.register_channel("/value", "cdr", schema)
    schema = writer.register_schema("event", "jsonschema", b'{"type": "object"}')
    event = writer.register_channel("/event", "json", schema)
    writer.add_message(event, 0, b"{}", 0)
    for time_ns in range(5):
        writer.add_message(value, time_ns, b"\0\1\0\0" + bytes(8), time_ns)
    writer.finish()

try:
    with AnyReader([path]) as reader:
        wanted = [c for c in reader.connections if c.topic == "/value"]
        refusal = ""
        print(f"rosbags yields {sum(1 for _ in reader.messages(connections=wanted))} of /value")
except Exception as error:
    refusal = type(error).__name__
    print(f"rosbags: refused with a {refusal}: {str(error)[:60]}")
with path.open("rb") as file:
    found = sum(1 for _ in make_reader(file).iter_messages(topics=["/value"]))
print(f"mcap yields {found} of /value")
assert refusal and found == 5, "the behaviour has changed"
PYTHON
