#!/usr/bin/env bash
# rosbags-image takes the padding of an image's rows for pixels, and says nothing
#
# Version: rosbags-image 0.10.4, rosbags 0.11.9, opencv-python-headless 4.11.0.86, numpy 2.2.6.
# Behaviour: `step` of a sensor_msgs/Image is the length of a row in bytes; drivers pad rows to four
#   or more bytes. `message_to_cvimage` does not look at it: it takes the first height x width values
#   of the data, so that padding stands in the picture and every later row is shifted.
# Output seen (two rows of three pixels and one byte of padding, 99):
#   sent: [[1, 2, 3], [4, 5, 6]]
#   got:  [[1, 2, 3], [99, 4, 5]]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  rosbags-image==0.10.4 rosbags==0.11.9 opencv-python-headless==4.11.0.86 numpy==2.2.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from rosbags.image import message_to_cvimage
from rosbags.typesys import Stores, get_typestore

types = get_typestore(Stores.ROS2_JAZZY).types
header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](0, 0), "camera")
sent = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
rows = np.pad(sent, ((0, 0), (0, 1)), constant_values=99)
message = types["sensor_msgs/msg/Image"](header, 2, 3, "mono8", 0, rows.shape[1], rows.ravel())
got = message_to_cvimage(message)
print("sent:", sent.tolist())
print("got: ", got.tolist())
assert got.tolist() == [[1, 2, 3], [99, 4, 5]]
PYTHON
