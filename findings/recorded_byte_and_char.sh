#!/usr/bin/env bash
# Two readers of recordings disagree about `byte` and `char`, and each is wrong about one of them
#
# Version: rosbags 0.11.9, mcap-ros2-support 0.6.0, Python 3.11, Linux.
# Behaviour: in ROS 2 both types hold 0 to 255: rosidl maps `byte` to octet and `char` to uint8
#   (docs.ros.org, "About ROS 2 interfaces"). rosbags reads `byte` as signed (as in ROS 1, where it
#   was int8), mcap-ros2-support reads `char` as signed (as in C). Above 127 the numbers differ by
#   256 from those that the publisher wrote, without an error.
# Output seen, of a message whose two fields are 255:
#   rosbags            byte -1   char 255
#   mcap-ros2-support  byte 255  char -1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  rosbags==0.11.9 mcap==1.6.0 mcap-ros2-support==0.6.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from io import BytesIO

from mcap.reader import make_reader
from mcap.writer import Writer
from mcap_ros2.decoder import DecoderFactory
from rosbags.typesys import Stores, get_typestore, get_types_from_msg

TYPE, DEFINITION = "robot_msgs/msg/Reading", "byte level\nchar count\n"
file = BytesIO()
writer = Writer(file)
writer.start(profile="ros2")
schema = writer.register_schema(TYPE, "ros2msg", DEFINITION.encode())
channel = writer.register_channel("/reading", "cdr", schema)
writer.add_message(channel, 1, b"\0\1\0\0" + bytes([255, 255]), 1)
writer.finish()

reader = make_reader(BytesIO(file.getvalue()), decoder_factories=[DecoderFactory()])
((_, _, raw, by_mcap),) = reader.iter_decoded_messages()
store = get_typestore(Stores.EMPTY)
store.register(get_types_from_msg(DEFINITION, TYPE))
by_rosbags = store.deserialize_cdr(raw.data, TYPE)
print("rosbags           ", "byte", by_rosbags.level, " char", by_rosbags.count)
print("mcap-ros2-support ", "byte", by_mcap.level, "char", by_mcap.count)
assert (by_rosbags.level, by_rosbags.count) == (-1, 255)
assert (by_mcap.level, by_mcap.count) == (255, -1)
PYTHON
