"""The shipped bridge node, with a wall clock that can be set: `bridge.py CONTRACT SERVER NAME`."""

from __future__ import annotations

import sys

import rclpy
from rclpy.parameter import Parameter

from benchmarks.processes import listen, tell
from inferential_ros.bridge_node import BridgeNode
from robustness.chaos.cast import walltime
from robustness.chaos.cast.spinning import spinning


def main(contract: str, server: str, name: str) -> None:
    """Bridge until stdin ends."""
    walltime.install()
    rclpy.init()
    given = {"contract_file": contract, "server": server, "sample_timeout": 0.0}
    node = BridgeNode(
        namespace=name,
        parameter_overrides=[Parameter(key, value=value) for key, value in given.items()],
    )
    node.trigger_configure()
    node.trigger_activate()
    with spinning(node):
        tell("ready")
        for question in listen():
            walltime.shift(question["clock_s"])
            tell("set")
        node.trigger_shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
