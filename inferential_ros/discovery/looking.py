"""Compares a contract with the robot of this ROS domain from a command, without a bridge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rclpy

from inferential_ros.contract.loading import load_contract
from inferential_ros.discovery.live import check_live
from inferential_ros.discovery.robot_description import robot_description


def look_at_robot(
    path: str, namespace: str, wait_s: float, specification: Mapping[str, Any]
) -> list[str]:
    """What of the contract could not be checked; ContractError where robot or model contradict.

    Limits that are the robot's own are taken from its description, as the bridge takes them.
    """
    context = rclpy.Context()
    rclpy.init(context=context)
    try:
        node = rclpy.create_node(
            "inferential_contract",
            namespace=namespace or None,
            context=context,
            enable_rosout=False,
            start_parameter_services=False,
        )
        contract = load_contract(path)
        if contract.awaits_urdf:
            description = robot_description(node, contract.awaits_urdf, wait_s, lambda: False)
            contract = load_contract(path, description)
        return check_live(node, contract, wait_s, lambda: False, specification)
    finally:
        rclpy.try_shutdown(context=context)
