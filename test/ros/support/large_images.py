"""A camera that publishes twenty images of 2.8 MB, numbered, best-effort, as soon as one looks."""

from __future__ import annotations

import signal
import time

import rclpy
from rclpy.qos import qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

COUNT = 20

if __name__ == "__main__":
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)  # it just ends
    node = rclpy.create_node("camera")
    publisher = node.create_publisher(Image, "large_images", qos_profile_sensor_data)
    image = Image(encoding="rgb8", width=1280, height=720, step=3 * 1280)
    image.data = bytes(720 * 3 * 1280)
    while not publisher.get_subscription_count():
        time.sleep(0.02)  # rclpy tells no event of a match
    for number in range(COUNT):
        image.header.frame_id = str(number)
        publisher.publish(image)
        time.sleep(0.05)
    signal.pause()  # what was published last is still being sent
