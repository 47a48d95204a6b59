#!/usr/bin/env bash
# rosbags writes whole numbers, given for a field of floats, as the floats that have their bits
#
# Version: rosbags 0.11.9, numpy 2.2.6, Python 3.11, Linux on x86-64.
# Behaviour: `serialize_cdr` views an array as the field's type where the sizes of their elements
#   agree, instead of converting it or refusing it. `np.array([1, 2])` is int64, which is as long as
#   the float64 of JointState.position: the recording then has joints at 5e-324 and 1e-323 rad. So
#   is an array of the other byte order. A float32 array, whose size differs, is refused. Each reader
#   of the recording sees positions near 0, which are plausible.
# Output seen:
#   int64 [1, 2] is recorded as [5e-324, 1e-323]
#   >f8 [1.0, 2.0] is recorded as [3.03865e-319, 3.16e-322]
#   float64 [1.0, 2.0] is recorded as [1.0, 2.0]
#   float32 [1.0, 2.0] is refused: ValueError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rosbags==0.11.9 numpy==2.2.6
"$folder/venv/bin/python" - "$folder/bag" <<'PYTHON'
import sys

import numpy as np
from rosbags.rosbag2 import Reader, Writer
from rosbags.typesys import Stores, get_typestore

NAME = "sensor_msgs/msg/JointState"
store = get_typestore(Stores.ROS2_JAZZY)
types = store.types
header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](0, 0), "")
NONE = np.array([], np.float64)


def recorded(position: np.ndarray) -> list[float]:
    """What a reader of a recording of such a message sees."""
    folder = f"{sys.argv[1]}{position.dtype.str.strip('<>')}{position.dtype.isnative}"
    message = types[NAME](header, ["shoulder", "elbow"], position, NONE, NONE)
    with Writer(folder, version=9) as bag:
        connection = bag.add_connection("/joint_states", NAME, typestore=store)
        bag.write(connection, 1, store.serialize_cdr(message, NAME))
    with Reader(folder) as bag:
        ((_, _, raw),) = bag.messages()
        return store.deserialize_cdr(raw, NAME).position.tolist()


found = {}
for position in (np.array([1, 2]), np.array([1.0, 2.0], ">f8"), np.array([1.0, 2.0])):
    found[position.dtype.str[1:], position.dtype.isnative] = got = recorded(position)
    rounded = [float(f"{value:.6g}") for value in got]
    print(position.dtype, position.tolist(), "is recorded as", rounded)
assert found["i8", True] == [5e-324, 1e-323]
assert max(found["f8", False]) < 1e-300
assert found["f8", True] == [1.0, 2.0]
try:
    recorded(np.array([1.0, 2.0], np.float32))
    sys.exit("float32 is taken now")
except ValueError:
    print("float32 [1.0, 2.0] is refused: ValueError")
PYTHON
