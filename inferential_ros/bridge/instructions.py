"""Texts of an observation that are parameters of the node: set while it runs, then used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.node import Node

from inferential_ros.contract.schema import Contract


class Instructions:
    """Declares the parameters that a contract names; tell(key, text) at every change."""

    def __init__(self, node: Node, contract: Contract, tell: Callable[[str, str], None]) -> None:
        self._node = node
        self._tell = tell
        self._keys = {key.parameter: key for key in contract.observation if key.parameter}
        for name, key in self._keys.items():
            if not node.has_parameter(name):  # it outlives a cleanup
                described = f"Observation key {key.name!r}: text for the model"
                node.declare_parameter(name, key.text, ParameterDescriptor(description=described))
        node.add_on_set_parameters_callback(self._changed)

    def tell(self) -> None:
        """The texts as they are now."""
        for name, key in self._keys.items():
            self._tell(key.name, self._node.get_parameter(name).value)

    def destroy(self) -> None:
        """Follow the node's parameters no longer."""
        self._node.remove_on_set_parameters_callback(self._changed)

    def _changed(self, parameters: list[Any]) -> SetParametersResult:
        for parameter in parameters:
            if parameter.name in self._keys:
                self._tell(self._keys[parameter.name].name, parameter.value)
        return SetParametersResult(successful=True)
