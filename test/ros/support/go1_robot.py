"""A Go1 in MuJoCo, in real time, behind the topics of a robot: a process of its own.

    python -m go1_robot SCENE STARTS SECONDS --ros-args -r __ns:=/go1

Publishes joint_states, imu, odom and targets (what the motors are told now) at 50 Hz, all with
one stamp, and obeys the newest message on commands. Prints a line of JSON for each start.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import mujoco
import numpy as np
import rclpy
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray

SUBSTEPS = 5
PERIOD_S = 0.02
STANDS_S = 0.2  # at the beginning of a start, whatever is commanded
FALLEN = 0.3  # z of the trunk's up axis


class Robot:
    """The topics of one robot and its body."""

    def __init__(self, scene: str) -> None:
        self.model = mujoco.MjModel.from_xml_path(scene)
        self.data = mujoco.MjData(self.model)
        self.names = [self.model.actuator(i).name for i in range(self.model.nu)]
        self.node = rclpy.create_node("go1")
        publisher = self.node.create_publisher
        self.joints = publisher(JointState, "joint_states", qos_profile_sensor_data)
        self.imu = publisher(Imu, "imu", qos_profile_sensor_data)
        self.odometry = publisher(Odometry, "odom", qos_profile_sensor_data)
        self.targets = publisher(JointState, "targets", qos_profile_sensor_data)
        self.command: np.ndarray | None = None
        self.node.create_subscription(Float64MultiArray, "commands", self._obey, 1)

    def _obey(self, message: Float64MultiArray) -> None:
        self.command = np.array(message.data)

    def start(self, seed: int) -> None:
        """Standing, in a direction and a posture that depend on the seed."""
        random = np.random.default_rng(seed)
        mujoco.mj_resetDataKeyframe(self.model, self.data, self.model.key("home").id)
        yaw = random.uniform(-np.pi, np.pi)
        self.data.qpos[3:7] = [np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]
        self.data.qpos[7:] += random.uniform(-0.05, 0.05, 12)
        mujoco.mj_forward(self.model, self.data)

    def tell(self) -> None:
        stamp = self.node.get_clock().now().to_msg()
        sensor = {name: self.data.sensor(name).data for name in ("gyro", "local_linvel")}
        joints = JointState(name=self.names, position=self.data.qpos[7:].tolist())
        joints.velocity = self.data.qvel[6:].tolist()
        targets = JointState(name=self.names, position=self.data.ctrl.tolist())
        imu, odometry = Imu(), Odometry()
        attitude = imu.orientation
        attitude.w, attitude.x, attitude.y, attitude.z = self.data.qpos[3:7].tolist()
        turning, moving = imu.angular_velocity, odometry.twist.twist.linear
        turning.x, turning.y, turning.z = sensor["gyro"].tolist()
        moving.x, moving.y, moving.z = sensor["local_linvel"].tolist()
        outgoing = (
            (self.joints, joints),
            (self.odometry, odometry),
            (self.targets, targets),
            (self.imu, imu),
        )
        for publisher, message in outgoing:
            message.header.stamp = stamp
            publisher.publish(message)

    def walk(self, seed: int, seconds: float) -> dict[str, float | int | bool]:
        """One start; it ends when the robot falls."""
        self.start(seed)
        home = self.data.ctrl.copy()
        due, upright = time.monotonic(), 1.0
        for step in range(round(seconds / PERIOD_S)):
            self.tell()
            for _ in range(SUBSTEPS):
                due += PERIOD_S / SUBSTEPS
                time.sleep(max(0.0, due - time.monotonic()))
                stands = step * PERIOD_S < STANDS_S or self.command is None
                self.data.ctrl[:] = home if stands else self.command
                mujoco.mj_step(self.model, self.data)
            upright = min(upright, float(self.data.site("imu").xmat[8]))
            if upright < FALLEN:
                break
        way = float(np.hypot(*self.data.qpos[:2]))
        lasted = round((step + 1) * PERIOD_S, 2)
        behind = round(time.monotonic() - due, 3)
        return {
            "seed": seed,
            "seconds": lasted,
            "meters": round(way, 2),
            "upright": round(upright, 3),
            "behind_s": behind,
        }


def main() -> None:
    scene, starts, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    rclpy.init()
    robot = Robot(scene)
    executor = SingleThreadedExecutor()
    executor.add_node(robot.node)
    ended = threading.Event()

    def spin() -> None:
        while not ended.is_set():
            executor.spin_once(timeout_sec=0.1)

    spinning = threading.Thread(target=spin)
    spinning.start()
    while robot.command is None:  # until a bridge is there
        robot.start(0)
        robot.tell()
        time.sleep(PERIOD_S)
    for seed in range(starts):
        print(json.dumps(robot.walk(seed, seconds)), flush=True)
    ended.set()
    spinning.join()
    executor.shutdown()
    robot.node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
