#!/usr/bin/env bash
# rosbags reads several recordings by the definitions of the last one, and says nothing
#
# Version: rosbags 0.11.9, Python 3.11, Linux.
# Behaviour: every MCAP brings the definitions that its messages were written with. `AnyReader` takes
#   a list of recordings and puts their definitions into one store, by the type's name: where a type
#   was changed between two recordings, the later path in the list decides for both. The messages of
#   the other one are read by a definition that is not theirs.
# Output seen, of a type whose two fields changed places; both recordings hold position 1, velocity 10:
#   ['monday', 'tuesday']  monday: position 10 velocity 1   tuesday: position 1 velocity 10
#   ['tuesday', 'monday']  monday: position 1 velocity 10   tuesday: position 10 velocity 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rosbags==0.11.9
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from pathlib import Path

from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore, get_types_from_msg

TYPE = "robot_msgs/msg/State"


def record(day: str, definition: str, time: int) -> None:
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(definition, TYPE))
    with Writer(Path(day), version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/state", TYPE, typestore=store)
        message = store.types[TYPE](position=1.0, velocity=10.0)
        writer.write(connection, time, store.serialize_cdr(message, TYPE))


def read(days: list[str]) -> dict[str, tuple[float, float]]:
    with AnyReader([Path(day) for day in days]) as reader:
        found = [reader.deserialize(raw, c.msgtype) for c, _, raw in reader.messages()]
    return {day: (m.position, m.velocity) for day, m in zip(("monday", "tuesday"), found)}


record("monday", "float64 position\nfloat64 velocity\n", 1)
record("tuesday", "float64 velocity\nfloat64 position\n", 2)
for days, wrong in ((["monday", "tuesday"], "monday"), (["tuesday", "monday"], "tuesday")):
    found = read(days)
    told = (f"{day}: position {p:.0f} velocity {v:.0f}" for day, (p, v) in found.items())
    print(days, *told, sep="  ")
    assert found.pop(wrong) == (10.0, 1.0) and list(found.values()) == [(1.0, 10.0)]
PYTHON
