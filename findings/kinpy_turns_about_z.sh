#!/usr/bin/env bash
# kinpy turns a joint without an <axis> about z, where URDF and its other readers turn it about x
#
# Version: kinpy 0.6.1, yourdfpy 0.0.60, mujoco 4.0.0, numpy 2.4.6, Python 3.11, Linux.
# Behaviour: `axis` is optional in a URDF's joint and "defaults to (1,0,0)"
#   (https://wiki.ros.org/urdf/XML/joint). kinpy takes (0,0,1): its forward kinematics and its
#   Jacobians are those of another robot, without a warning.
# Output seen: where a tool 1 m along y is, when the joint is turned by 90 degrees:
#   kinpy [-1.0, 0.0, 0.0]
#   yourdfpy [0.0, 0.0, 1.0]
#   mujoco [0.0, 0.0, 1.0]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    kinpy==0.6.1 yourdfpy==0.0.60 mujoco==4.0.0 numpy==2.4.6
cd "$folder"
cat > robot.urdf <<'URDF'
<robot name="arm">
  <link name="base"/>
  <link name="tool">
    <inertial>
      <mass value="1"/>
      <inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/>
    </inertial>
  </link>
  <link name="tip">
    <inertial>
      <mass value="1"/>
      <inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/>
    </inertial>
  </link>
  <joint name="turn" type="continuous"><parent link="base"/><child link="tool"/></joint>
  <joint name="reach" type="prismatic">
    <parent link="tool"/><child link="tip"/><origin xyz="0 1 0"/><axis xyz="0 1 0"/>
    <limit lower="-1" upper="1" effort="1" velocity="1"/>
  </joint>
</robot>
URDF
"$folder/venv/bin/python" - <<'PYTHON'
import math

import kinpy
import mujoco
import yourdfpy

ANGLE = math.pi / 2


def by_kinpy():
    with open("robot.urdf") as file:
        chain = kinpy.build_chain_from_urdf(file.read())
    return chain.forward_kinematics({"turn": ANGLE, "reach": 0.0})["tip"].pos


def by_yourdfpy():
    robot = yourdfpy.URDF.load("robot.urdf")
    robot.update_cfg({"turn": ANGLE, "reach": 0.0})
    return robot.get_transform("tip", "base")[:3, 3]


def by_mujoco():
    model = mujoco.MjModel.from_xml_path("robot.urdf")
    data = mujoco.MjData(model)
    data.joint("turn").qpos = ANGLE
    mujoco.mj_forward(model, data)
    return data.body("tip").xpos


found = {}
for name, place in (("kinpy", by_kinpy), ("yourdfpy", by_yourdfpy), ("mujoco", by_mujoco)):
    found[name] = [round(float(value), 3) + 0.0 for value in place()]
    print(name, found[name])
assert found["yourdfpy"] == found["mujoco"] == [0.0, 0.0, 1.0]
assert found["kinpy"] == [-1.0, 0.0, 0.0]
PYTHON
