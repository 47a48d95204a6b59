"""Moved to `inferential_ros.bringup.launching`."""

from inferential_core.moved import stand_in

stand_in(__name__, "inferential_ros.bringup.launching")
