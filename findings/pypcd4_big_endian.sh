#!/usr/bin/env bash
# pypcd4 reads a big-endian PointCloud2 as if it were little-endian, and says nothing
#
# Version: pypcd4 1.5.1, rosbags 0.11.9, numpy 2.2.6, Python 3.11, Linux.
# Behaviour: `is_bigendian` of a sensor_msgs/PointCloud2 says how its numbers are written.
#   `PointCloud.from_msg` does not look at it: coordinates of metres come out as denormal numbers,
#   which a filter by distance takes for points at the sensor.
# Output seen:
#   sent x: [1.0, 2.0, 3.0]
#   got  x: [4.6006e-41, 8.9683e-44, 2.3049e-41]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  pypcd4==1.5.1 rosbags==0.11.9 numpy==2.2.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from pypcd4 import PointCloud
from rosbags.typesys import Stores, get_typestore

types = get_typestore(Stores.ROS2_JAZZY).types
header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](0, 0), "lidar")
fields = [
    types["sensor_msgs/msg/PointField"](name=name, offset=4 * i, datatype=7, count=1)
    for i, name in enumerate("xyz")
]
sent = np.array([[1, 0, 0], [2, 0, 0], [3, 0, 0]], ">f4")
data = np.frombuffer(sent.tobytes(), np.uint8)
cloud = types["sensor_msgs/msg/PointCloud2"](header, 1, 3, fields, True, 12, 36, data, True)
got = PointCloud.from_msg(cloud).numpy()[:, 0]
print("sent x:", sent[:, 0].tolist())
print("got  x:", [float(f"{x:.4e}") for x in got])
assert (np.abs(got) < 1e-38).all()
PYTHON
