"""`inferential demo`: what batches by deadline are worth to a fleet, or a fleet over ROS 2."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Exit status of the show; `--ros` chooses the one with bridges and topics."""
    if "--ros" in argv:
        from inferential_demo.ros_show import main as show
    else:
        from inferential_demo.fleet_show import main as show
    return show([argument for argument in argv if argument != "--ros"])
