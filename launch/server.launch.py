"""The server: `ros2 launch inferential server.launch.py models:=id:=module:Attribute`."""

from inferential_ros.arguments import SERVER_ARGUMENTS
from inferential_ros.bringup import server
from inferential_ros.launching import description


def generate_launch_description():
    return description(SERVER_ARGUMENTS, server)
