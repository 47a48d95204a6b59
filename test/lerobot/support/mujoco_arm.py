"""An arm of seven joints in MuJoCo, in real time, behind the topics of a robot, as a process.

    python mujoco_arm.py SECONDS

Publishes joint_states and front/image_raw at 25 Hz, obeys joint trajectories, and prints a line of
JSON at its end. It knows nothing of the policy; it runs in the environment that has ROS.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import mujoco
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory

JOINTS = [f"joint_{at}" for at in range(7)]
PERIOD_S, SUBSTEPS = 0.04, 20
HEIGHT, WIDTH = 60, 80
PATIENCE_S = 120.0  # for the first command


def scene() -> str:
    """A chain of links, each turned against the one before, moved by position servos."""
    bodies = "".join(
        f'<body pos="0 0 0.2"><joint name="{name}" axis="{"0 0 1" if at % 2 else "0 1 0"}"'
        ' damping="4" armature="0.1"/><geom type="capsule" fromto="0 0 0 0 0 0.2" size="0.03"'
        ' mass="0.3" contype="0"/>'
        for at, name in enumerate(JOINTS)
    )
    servos = "".join(f'<position joint="{name}" kp="120"/>' for name in JOINTS)
    return (
        f'<mujoco><option timestep="{PERIOD_S / SUBSTEPS}" integrator="implicitfast"/>'
        f"<worldbody>{bodies}{'</body>' * len(JOINTS)}</worldbody>"
        f"<actuator>{servos}</actuator></mujoco>"
    )


class Arm:
    """The topics of the arm and its body."""

    def __init__(self) -> None:
        self.model = mujoco.MjModel.from_xml_string(scene())
        self.data = mujoco.MjData(self.model)
        self.node = rclpy.create_node("arm")
        publisher = self.node.create_publisher
        self.joints = publisher(JointState, "joint_states", qos_profile_sensor_data)
        self.images = publisher(Image, "front/image_raw", qos_profile_sensor_data)
        self.commands: list[tuple[float, list[float]]] = []
        topic = "joint_trajectory_controller/joint_trajectory"
        self.node.create_subscription(JointTrajectory, topic, self._obey, 10)

    def _obey(self, message: JointTrajectory) -> None:
        by_name = dict(zip(message.joint_names, message.points[-1].positions))
        self.commands.append((time.monotonic(), [by_name[name] for name in JOINTS]))

    def tell(self) -> None:
        stamp = self.node.get_clock().now().to_msg()
        joints = JointState(name=JOINTS, position=self.data.qpos.tolist())
        joints.header.stamp = stamp
        self.joints.publish(joints)
        picture = Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=3 * WIDTH)
        picture.header.stamp = stamp
        picture.data = self.picture().tobytes()
        self.images.publish(picture)

    def picture(self) -> np.ndarray:
        """A bar for each joint, as high as it is turned: what a camera would see of it."""
        pixels = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
        for at, angle in enumerate(self.data.qpos):
            height = int(HEIGHT * (0.5 + np.clip(angle, -3, 3) / 6.1))
            pixels[HEIGHT - height :, 10 * at + 4 : 10 * at + 12] = (30 * at, 200 - 20 * at, 255)
        return pixels

    def live(self, seconds: float) -> dict[str, float]:
        """So long in real time, counted from the first command."""
        due, errors, places = time.monotonic(), [], []
        until = due + PATIENCE_S
        while time.monotonic() < until:
            self.tell()
            if self.commands:
                until = self.commands[0][0] + seconds
                self.data.ctrl[:] = self.commands[-1][1]
            mujoco.mj_step(self.model, self.data, SUBSTEPS)
            if self.commands:
                errors.append(np.abs(self.data.qpos - self.data.ctrl).mean())
            places.append(self.data.qpos.copy())
            due += PERIOD_S
            time.sleep(max(0.0, due - time.monotonic()))
        times = [when for when, _ in self.commands]
        told = np.array([positions for _, positions in self.commands])
        return {
            "commands": len(times),
            "seconds": times[-1] - times[0] if times else 0.0,
            "longest_gap_s": float(np.diff(times).max()) if len(times) > 1 else PATIENCE_S,
            "error": float(np.median(errors)) if errors else 0.0,
            "moved": float(np.ptp(places, axis=0).mean()),
            "least": float(told.min()) if times else 0.0,
            "most": float(told.max()) if times else 0.0,
        }


def main() -> None:
    rclpy.init()
    arm = Arm()
    executor = SingleThreadedExecutor()
    executor.add_node(arm.node)
    spinning = threading.Thread(target=executor.spin, daemon=True)
    spinning.start()
    print(json.dumps(arm.live(float(sys.argv[1]))), flush=True)
    executor.shutdown()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
