#!/usr/bin/env bash
# mcap-ros2-support records a field that is misspelt as zero, and arrays of a wrong length cut or filled
#
# Version: mcap-ros2-support 0.6.0, mcap 1.6.0, Python 3.11, Linux.
# Behaviour: its writer takes messages as dictionaries. A key that the message has no field for is
#   ignored, and a field without a key is recorded as 0, both without an error: a gripper that was to
#   be recorded at 0.08 m is at 0. A fixed array (covariances, matrices) that is too short is filled
#   with zeros, and one that is too long is cut; so is one that is longer than its bound.
# Output seen:
#   {'widht': 0.08} is recorded as width 0.0
#   3 values for float64[4] are recorded as [1.0, 1.0, 1.0, 0.0]
#   5 values for float64[4] are recorded as [1.0, 1.0, 1.0, 1.0]
#   5 values for float64[<=4] are recorded as [1.0, 1.0, 1.0, 1.0]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  mcap-ros2-support==0.6.0 mcap==1.6.0
"$folder/venv/bin/python" - <<'PYTHON'
import io

from mcap_ros2.reader import read_ros2_messages
from mcap_ros2.writer import Writer


def recorded(definition: str, message: dict):
    """What a reader of a recording of such a message sees of its first field."""
    file = io.BytesIO()
    writer = Writer(file)
    schema = writer.register_msgdef("my_msgs/msg/Gripper", definition)
    writer.write_message("/gripper", schema, message)
    writer.finish()
    file.seek(0)
    (read,) = read_ros2_messages(file)
    return getattr(read.ros_msg, definition.split()[1])


width = recorded("float64 width", {"widht": 0.08})
print("{'widht': 0.08} is recorded as width", width)
assert width == 0.0
for count, kind in ((3, "float64[4]"), (5, "float64[4]"), (5, "float64[<=4]")):
    got = recorded(f"{kind} covariance", {"covariance": [1.0] * count})
    print(f"{count} values for {kind} are recorded as {got}")
    assert got == [1.0] * min(count, 4) + [0.0] * (4 - min(count, 4))
PYTHON
