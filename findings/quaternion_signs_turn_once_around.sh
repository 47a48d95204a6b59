#!/usr/bin/env bash
# Half of these libraries turn once around where two orientations are 1.1 degrees apart
#
# Version: scipy 1.17.1, pyquaternion 0.9.9, pytransform3d 3.17.0, transforms3d 0.4.2, numpy-quaternion
#   2024.0.13, numpy 2.4.6, Python 3.11, Linux.
# Behaviour: q and -q are the same orientation, and drivers and trackers change the sign on the way.
#   scipy, pyquaternion and pytransform3d's axis-angle take the short way. pytransform3d's slerp goes
#   the long way unless `shortest_path=True`, also its version for batches; transforms3d and
#   numpy-quaternion give rotation vectors of almost a whole turn: a controller that follows
#   this error, or a trajectory between the two, spins the gripper once around.
# Output seen, in degrees (signs of axes left out):
#   on the way, at half:   scipy 0.6, pyquaternion 0.6, pytransform3d 179.4
#   as a rotation vector:  scipy 1.1, pytransform3d 1.1, transforms3d 358.9, numpy-quaternion 358.9
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    scipy==1.17.1 pyquaternion==0.9.9 pytransform3d==3.17.0 transforms3d==0.4.2 \
    numpy-quaternion==2024.0.13 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import pytransform3d.rotations as pytransform3d
import quaternion as numpy_quaternion
import transforms3d.quaternions as transforms3d
from pyquaternion import Quaternion
from scipy.spatial.transform import Rotation, Slerp

HERE = np.array([1.0, 0.0, 0.0, 0.0])  # w, x, y, z
THERE = -np.array([np.cos(0.01), 0.0, 0.0, np.sin(0.01)])  # turned by 0.02 rad


def turn(quaternion) -> float:
    """The smallest angle between an orientation and HERE, in degrees."""
    return np.degrees(Rotation.from_quat(quaternion, scalar_first=True).magnitude())


way = Slerp([0, 1], Rotation.from_quat([HERE, THERE], scalar_first=True))
half = {
    "scipy": np.degrees(way(0.5).magnitude()),
    "pyquaternion": turn(Quaternion.slerp(Quaternion(HERE), Quaternion(THERE), 0.5).elements),
    "pytransform3d": turn(pytransform3d.quaternion_slerp(HERE, THERE, 0.5)),
}
there = Rotation.from_quat(THERE, scalar_first=True)
vector = {
    "scipy": np.linalg.norm(there.as_rotvec()),
    "pytransform3d": pytransform3d.axis_angle_from_quaternion(THERE)[3],
    "transforms3d": transforms3d.quat2axangle(THERE)[1],
    "numpy-quaternion": np.linalg.norm(
        numpy_quaternion.as_rotation_vector(numpy_quaternion.quaternion(*THERE))
    ),
}
vector = {name: np.degrees(angle) for name, angle in vector.items()}
for told, angles in (("on the way, at half:", half), ("as a rotation vector:", vector)):
    print(f"{told:22}", ", ".join(f"{name} {angle:.1f}" for name, angle in angles.items()))
assert [round(float(angle), 1) for angle in half.values()] == [0.6, 0.6, 179.4]
assert [round(float(angle), 1) for angle in vector.values()] == [1.1, 1.1, 358.9, 358.9]
PYTHON
