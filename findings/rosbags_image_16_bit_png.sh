#!/usr/bin/env bash
# rosbags-image makes 8 bits of a 16-bit PNG, so that depth in millimetres comes out divided by 256
#
# Version: rosbags-image 0.10.4, rosbags 0.11.9, opencv-python-headless 4.11.0.86, numpy 2.2.6.
# Behaviour: image_transport compresses a 16UC1 or mono16 image as a PNG of 16 bits and writes
#   "16UC1; png compressed " into the message's format. `message_to_cvimage` decodes it with
#   OpenCV's IMREAD_COLOR or IMREAD_GRAYSCALE, which keep the upper eight bits. No error, no warning.
# Output seen:
#   sent uint16 [[500, 1000, 1500, 4000]]
#   got  uint8 [[1, 3, 5, 15]]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  rosbags-image==0.10.4 rosbags==0.11.9 opencv-python-headless==4.11.0.86 numpy==2.2.6
"$folder/venv/bin/python" - <<'PYTHON'
import cv2
import numpy as np
from rosbags.image import message_to_cvimage
from rosbags.typesys import Stores, get_typestore

types = get_typestore(Stores.ROS2_JAZZY).types
header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](0, 0), "camera")
sent = np.array([[500, 1000, 1500, 4000]], np.uint16)
_, png = cv2.imencode(".png", sent)
message = types["sensor_msgs/msg/CompressedImage"](header, "16UC1; png compressed ", png.ravel())
got = message_to_cvimage(message)
print("sent", sent.dtype, sent.tolist())
print("got ", got.dtype, got.tolist())
assert got.dtype == np.uint8 and np.abs(got - sent / 256).max() < 1
PYTHON
