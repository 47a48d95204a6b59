"""The server: `ros2 launch inferential server.launch.py models:=id:=module:Attribute`."""

from inferential_ros.bringup import SERVER_ARGUMENTS, server
from inferential_ros.launching import description


def generate_launch_description():
    return description(SERVER_ARGUMENTS, server)
