"""Simulated robots balanced by one server: `ros2 launch inferential demo.launch.py`."""

from inferential_ros.bringup.arguments import DEMO_ARGUMENTS
from inferential_ros.bringup.launching import description
from inferential_ros.bringup.process_list import demo


def generate_launch_description():
    return description(DEMO_ARGUMENTS, demo)
