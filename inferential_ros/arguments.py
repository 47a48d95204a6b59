"""Moved to `inferential_ros.bringup.arguments`."""

from inferential_core.moved import stand_in

stand_in(__name__, "inferential_ros.bringup.arguments")
