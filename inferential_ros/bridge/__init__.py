"""The parts of the bridge node. Only `outputs`, `pacing` and `wiring` touch rclpy.

wiring   subscriptions -> inputs (newest samples)            ROS thread
session  inputs -> observation -> link -> reply -> executor  network thread
pacing   ticks at the control rate -> executor -> outputs    control thread
"""
