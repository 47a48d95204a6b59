"""The server: `ros2 launch inferential server.launch.py models:=id:=module:Attribute`."""

from inferential_ros.bringup.arguments import SERVER_ARGUMENTS
from inferential_ros.bringup.launching import description
from inferential_ros.bringup.process_list import server


def generate_launch_description():
    return description(SERVER_ARGUMENTS, server)
