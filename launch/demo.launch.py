"""Simulated robots balanced by one server: `ros2 launch inferential demo.launch.py`."""

from inferential_ros.arguments import DEMO_ARGUMENTS
from inferential_ros.bringup import demo
from inferential_ros.launching import description


def generate_launch_description():
    return description(DEMO_ARGUMENTS, demo)
