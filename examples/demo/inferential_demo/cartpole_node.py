"""One simulated robot as a ROS 2 node: sensors out, efforts in, physics in real time.

One loop on an absolute clock, 250 times a second: take what arrived, integrate the physics
(500 Hz) up to now, publish when a reading is due. The pole is held upright until the first
command arrives.
"""

from __future__ import annotations

import signal
import time
from array import array

import rclpy
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Empty, Float64, Float64MultiArray

from inferential_core.process.launcher import end_with_launcher, ignore_stop_signals
from inferential_demo.mailbox import drain, ignore, newest
from inferential_demo.simulation import WIND_FORCE, CartPoleSimulation

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
TICK_S = 0.004
MAX_CATCH_UP_S = 0.1  # a machine that stalls longer stops the simulated time, not the robot


class CartPoleNode(Node):
    """Publishes joint_states and fallen; takes effort_controller/commands, push and reset."""

    def __init__(self) -> None:
        super().__init__("cartpole", start_parameter_services=False, enable_rosout=False)
        rate = self._parameter("rate", 50.0, "Sensor readings per second", 1.0, 1.0 / TICK_S)
        wind = self._parameter("wind", WIND_FORCE, "Gusts at the pole's tip, N", 0.0, 1.0)
        seed = self._parameter("seed", 0, "Seed of the wind and of the starting pose", 0, 2**31)
        self._reading_period_s = 1.0 / rate
        self._simulation = CartPoleSimulation(seed, wind)
        self._force = 0.0
        self._held = True
        self._told_fallen: bool | None = None
        self._stop = False
        self._readings = self.create_publisher(JointState, "joint_states", qos_profile_sensor_data)
        self._fallen = self.create_publisher(Bool, "fallen", LATCHED)
        self._commands = self.create_subscription(
            Float64MultiArray, "effort_controller/commands", ignore, 1
        )
        self._pushes = self.create_subscription(Float64, "push", ignore, 10)
        self._resets = self.create_subscription(Empty, "reset", ignore, 1)

    def run(self) -> None:
        """Real time, until stop()."""
        now_s = integrated_s = reading_due_s = time.monotonic()
        while not self._stop:
            self._take_messages()
            integrated_s = max(integrated_s, now_s - MAX_CATCH_UP_S)
            steps = int((now_s - integrated_s) / self._simulation.timestep_s)
            integrated_s += steps * self._simulation.timestep_s
            if not self._held:
                self._simulation.advance(self._force, steps)
            if self._simulation.fallen is not self._told_fallen:
                self._told_fallen = self._simulation.fallen
                self._fallen.publish(Bool(data=self._told_fallen))
            if now_s >= reading_due_s:
                self._publish_reading()
                reading_due_s = max(reading_due_s + self._reading_period_s, now_s)
            next_s = now_s - now_s % TICK_S + TICK_S
            time.sleep(max(0.0, next_s - time.monotonic()))
            now_s = time.monotonic()

    def stop(self, *_: object) -> None:
        """Lets run() return; safe in a signal handler."""
        self._stop = True

    def _publish_reading(self) -> None:
        message = JointState(name=CartPoleSimulation.joint_names)
        message.header.stamp = self.get_clock().now().to_msg()
        message.header.frame_id = "rail"
        message.position = array("d", self._simulation.position)
        message.velocity = array("d", self._simulation.velocity)
        message.effort = array("d", (self._force, 0.0))
        self._readings.publish(message)

    def _take_messages(self) -> None:
        if newest(self._resets) is not None:
            self._simulation.reset()
            self._force = 0.0
            self._held = True
        for push, _ in drain(self._pushes):
            self._simulation.push(push.data)
        command = newest(self._commands)
        if command is None:
            return
        if len(command.data) != 1:
            self.get_logger().error(
                f"expected one effort, got {len(command.data)}", throttle_duration_sec=1.0
            )
            return
        self._force = command.data[0]
        self._held = False

    def _parameter(self, name: str, default, description: str, low, high):
        bounds = (
            {"integer_range": [IntegerRange(from_value=low, to_value=high, step=1)]}
            if isinstance(default, int)
            else {"floating_point_range": [FloatingPointRange(from_value=low, to_value=high)]}
        )
        descriptor = ParameterDescriptor(description=description, read_only=True, **bounds)
        return self.declare_parameter(name, default, descriptor).value


def main(args: list[str] | None = None) -> None:
    """Runs the robot until it is told to stop."""
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    node = CartPoleNode()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, node.stop)
    end_with_launcher(node.get_logger().warning)
    try:
        node.run()
    finally:
        ignore_stop_signals()
        node.destroy_node()
        rclpy.try_shutdown()
