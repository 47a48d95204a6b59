"""A bridge: `ros2 launch inferential robot.launch.py namespace:=r1 contract_file:=PATH`."""

from inferential_ros.bringup.arguments import ROBOT_ARGUMENTS
from inferential_ros.bringup.launching import description
from inferential_ros.bringup.process_list import robot


def generate_launch_description():
    return description(ROBOT_ARGUMENTS, robot)
