#!/usr/bin/env bash
# mcap-ros2-support records a topic's second type under the first one's name, and says nothing
#
# Version: mcap-ros2-support 0.6.0, mcap-protobuf-support 0.6.0, mcap 1.6.0,
#   foxglove-schemas-protobuf 0.4.0, Python 3.11, Linux.
# Behaviour: a message may change its type while a recorder runs, when a node is restarted after an
#   update. The writer of mcap-ros2-support is given the definition with each message, and keeps
#   the first one of each topic: readers read the later messages by a definition that is not theirs.
#   Its sister for protobuf, of the same version, refuses such a message.
# Output seen, of position 1 and velocity 10, the second time in a type with the fields reversed:
#   mcap-ros2-support: [('State', 1.0, 10.0), ('State', 10.0, 1.0)]
#   mcap-protobuf-support: ValueError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    mcap==1.6.0 mcap-ros2-support==0.6.0 mcap-protobuf-support==0.6.0 \
    foxglove-schemas-protobuf==0.4.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io

import mcap_protobuf.writer
import mcap_ros2.writer
from foxglove_schemas_protobuf.Point3_pb2 import Point3
from foxglove_schemas_protobuf.Quaternion_pb2 import Quaternion
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory

file = io.BytesIO()
writer = mcap_ros2.writer.Writer(file)
before = writer.register_msgdef("arm_msgs/msg/State", "float64 position\nfloat64 velocity\n")
after = writer.register_msgdef("arm_msgs/msg/StateV2", "float64 velocity\nfloat64 position\n")
for time, definition in enumerate((before, after)):
    writer.write_message("/state", definition, {"position": 1.0, "velocity": 10.0}, time, time)
writer.finish()
file.seek(0)
found = [
    (schema.name.rpartition("/")[2], message.position, message.velocity)
    for schema, _, _, message in make_reader(
        file, decoder_factories=[DecoderFactory()]
    ).iter_decoded_messages()
]
print("mcap-ros2-support:", found)
assert found == [("State", 1.0, 10.0), ("State", 10.0, 1.0)]

with mcap_protobuf.writer.Writer(io.BytesIO()) as writer:
    writer.write_message("/state", Point3(x=1.0), 0, 0)
    try:
        writer.write_message("/state", Quaternion(x=1.0), 1, 1)
        outcome = "written"
    except ValueError as error:
        outcome = type(error).__name__
print("mcap-protobuf-support:", outcome)
assert outcome == "ValueError"
PYTHON
