"""A bridge: `ros2 launch inferential robot.launch.py namespace:=r1 contract_file:=PATH`."""

from inferential_ros.arguments import ROBOT_ARGUMENTS
from inferential_ros.bringup import robot
from inferential_ros.launching import description


def generate_launch_description():
    return description(ROBOT_ARGUMENTS, robot)
