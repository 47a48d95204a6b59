#!/usr/bin/env bash
# MuJoCo reads the limits of a URDF's joint and does not hold it to them, where one end is left out
#
# Version: mujoco 4.0.0, pin (Pinocchio) 4.1.0, Python 3.11, Linux.
# Behaviour: `lower` and `upper` are optional in a URDF's limit and default to 0
#   (https://wiki.ros.org/urdf/XML/joint): a finger that opens from 0 to 0.04 m needs its upper end
#   only. MuJoCo has the range, [0, 0.04], and leaves it switched off, without a warning: the finger
#   goes through the palm. Pinocchio has both ends; where both are written, MuJoCo limits, too.
# Output seen, of a finger that hangs from its palm, open to 0.04 m, after half a second:
#   lower left out: mujoco range [0.0, 0.04], limited False, finger at 1.23 m; pinocchio [0.0, 0.04]
#   lower="0":      mujoco range [0.0, 0.04], limited True, finger at 0.04 m; pinocchio [0.0, 0.04]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mujoco==4.0.0 pin==4.1.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import mujoco
import pinocchio

URDF = """
<robot name="gripper">
  <link name="palm"/>
  <link name="finger">
    <inertial>
      <mass value="0.1"/>
      <inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/>
    </inertial>
  </link>
  <joint name="slide" type="prismatic">
    <parent link="palm"/><child link="finger"/><axis xyz="0 0 -1"/>
    <limit LOWER upper="0.04" effort="20" velocity="1"/>
  </joint>
</robot>
"""

for told, lower, wanted in (("lower left out:", "", False), ('lower="0":', 'lower="0"', True)):
    text = URDF.replace("LOWER", lower)
    model = mujoco.MjModel.from_xml_string(text)
    data = mujoco.MjData(model)
    while data.time < 0.5:
        mujoco.mj_step(model, data)
    ends = model.jnt_range[0].tolist()
    limited, reached = bool(model.jnt_limited[0]), float(data.qpos[0])
    other = pinocchio.buildModelFromXML(text)
    its = [float(other.lowerPositionLimit[0]), float(other.upperPositionLimit[0])]
    print(
        f"{told:15} mujoco range {ends}, limited {limited}, finger at {reached:.2f} m;"
        f" pinocchio {its}"
    )
    assert ends == its == [0.0, 0.04]
    assert limited is wanted and (reached < 0.06) is wanted
PYTHON
