#!/usr/bin/env bash
# Three readers of one URDF put its joints in three orders
#
# Version: yourdfpy 0.0.60, mujoco 4.0.0, pin (Pinocchio) 4.1.0, Python 3.11, Linux.
# Behaviour: each of them takes a configuration as a vector, and each has an order of its own:
#   yourdfpy that of the file, MuJoCo that of the tree (depth first, branches as in the file),
#   Pinocchio that of the tree with branches in the alphabet's order. A vector made for one is taken
#   by the others without an error, as it is as long as theirs.
# Output seen, of a file that names the wrist before the shoulder and the right arm before the left:
#   yourdfpy ['right_wrist', 'right_shoulder', 'left_shoulder']
#   mujoco ['right_shoulder', 'right_wrist', 'left_shoulder']
#   pinocchio ['left_shoulder', 'right_shoulder', 'right_wrist']
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    yourdfpy==0.0.60 mujoco==4.0.0 pin==4.1.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import mujoco
import pinocchio
import yourdfpy

JOINTS = {
    "right_wrist": ("right_arm", "right_hand"),
    "right_shoulder": ("base", "right_arm"),
    "left_shoulder": ("base", "left_arm"),
}
WEIGHT = """<inertial><mass value="1"/>
    <inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>"""
links = "".join(
    f'<link name="{name}">{WEIGHT}</link>'
    for name in ("base", "right_arm", "right_hand", "left_arm")
)
joints = "".join(
    f'<joint name="{name}" type="revolute"><parent link="{parent}"/><child link="{child}"/>'
    '<axis xyz="0 0 1"/><limit lower="-1" upper="1" effort="1" velocity="1"/></joint>'
    for name, (parent, child) in JOINTS.items()
)
with open("robot.urdf", "w") as file:
    file.write(f'<robot name="robot">{links}{joints}</robot>')

in_mujoco = mujoco.MjModel.from_xml_path("robot.urdf")
orders = {
    "yourdfpy": list(yourdfpy.URDF.load("robot.urdf").actuated_joint_names),
    "mujoco": [in_mujoco.joint(index).name for index in range(in_mujoco.njnt)],
    "pinocchio": list(pinocchio.buildModelFromUrdf("robot.urdf").names)[1:],  # 0: the universe
}
for name, order in orders.items():
    print(name, order)
assert orders == {
    "yourdfpy": ["right_wrist", "right_shoulder", "left_shoulder"],
    "mujoco": ["right_shoulder", "right_wrist", "left_shoulder"],
    "pinocchio": ["left_shoulder", "right_shoulder", "right_wrist"],
}
PYTHON
