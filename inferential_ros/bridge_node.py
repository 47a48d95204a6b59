"""The bridge node: one robot's topics to observations, the answers back to topics.

Lifecycle:  configure   read the contract, compare it with what is published, make publishers
            activate    connect to the server, execute plans at the control rate
            deactivate  stop motion by the declared fallback, disconnect
            cleanup     take the publishers and subscriptions away
What it does while active is in bridge/bridge_core.py.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter

from inferential_core import InferentialError
from inferential_core.client.addresses import SERVER_VARIABLE
from inferential_ros.bridge.options import link_settings
from inferential_ros.bridge.priority import HIGHEST
from inferential_ros.bridge.requery_policy import Tuning
from inferential_ros.bridge.ros_interfaces import RosInterfaces
from inferential_ros.bridge.server_link import check_settings
from inferential_ros.contract.finding import find_contract
from inferential_ros.contract.loading import load_contract
from inferential_ros.contract.schema import Contract
from inferential_ros.discovery.live import check_live
from inferential_ros.discovery.model_check import fetch_specification
from inferential_ros.discovery.robot_description import robot_description
from inferential_ros.keys import KeyFiles
from inferential_ros.lifecycle import ManagedNode, WrongSetup, run
from inferential_ros.options.errors import ContractError
from inferential_ros.options.yaml_file import located
from inferential_ros.parameters import declare, texts, warn_of_misspelt

DEFAULT_NAME = "inference_bridge"
DEFAULT_SERVER = "tcp://127.0.0.1:5555"
MODEL_WAIT_S = 1.0
DESCRIPTION_WAIT_S = 2.0
AT_CONFIGURE = (
    "contract_file",
    "server",
    "client_id",
    "key_file",
    "server_key_file",
    "sample_timeout",
    "thread_priority",
)


class BridgeNode(ManagedNode):
    """Parameters and transitions; the rest is `RosInterfaces`."""

    def __init__(self, name: str = DEFAULT_NAME, **options: Any) -> None:
        super().__init__(name, **options)
        declare(
            self,
            "contract_file",
            "",
            "Path of the contract (YAML) that maps this robot's topics; a bare name is looked up"
            " in this package's config/contracts",
            fixed=False,
        )
        declare(
            self,
            "server",
            os.environ.get(SERVER_VARIABLE) or DEFAULT_SERVER,
            "ZeroMQ address of the inference server; a list, or commas, for several in the order"
            " of preference: the first that lives is asked. Default: $INFERENTIAL_SERVER, else"
            f" {DEFAULT_SERVER}",
            fixed=False,
            any_type=True,
        )
        declare(
            self,
            "client_id",
            "",
            "Client id, unique in the fleet; empty: the namespace, with the node's name where"
            " that is not the default one",
            fixed=False,
        )
        declare(
            self,
            "key_file",
            "",
            "This robot's NAME.key_secret, if the server demands a key; empty: the file that"
            " $INFERENTIAL_KEY names",
            fixed=False,
        )
        declare(
            self,
            "server_key_file",
            "",
            "The server's public key (its server.key); empty: the file that"
            " $INFERENTIAL_SERVER_KEY names",
            fixed=False,
        )
        declare(
            self, "autostart", True, "Configure and activate the node at start, without a manager"
        )
        declare(
            self,
            "sample_timeout",
            2.0,
            "Longest wait at configure, in seconds, for a message of each observation topic and"
            " a subscriber of each output, to check the contract against; 0: no wait, no check",
            between=(0.0, 60.0),
            fixed=False,
        )
        declare(
            self,
            "thread_priority",
            0,
            "Real-time priority (SCHED_FIFO) of the thread that publishes actions; the other"
            " threads of the process get the lowest one. 0: no real-time priority",
            between=(0, HIGHEST),
            fixed=False,
        )
        declare(
            self,
            "runway",
            -1.0,
            "Share of a chunk that is left when the next one is asked for, in place of the"
            " contract's runway trigger; negative: as the contract has it. Takes effect at once",
            between=(-1.0, 1.0),
            fixed=False,
        )
        declare(
            self,
            "obey_hints",
            True,
            "Let the server move the moment at which a runway trigger asks, so that the robots"
            " of a fleet do not ask all at once. Takes effect at once",
            fixed=False,
        )
        warn_of_misspelt(self)
        self._interfaces: RosInterfaces | None = None
        self.add_on_set_parameters_callback(self._on_parameters)

    def configure(self) -> None:
        """Refuse a wrong contract with the path of the wrong key."""
        path = contract_path(self.get_parameter("contract_file").value)
        server = ",".join(texts(self, "server"))
        client_id = self.get_parameter("client_id").value or self._default_client_id()
        keys = KeyFiles(
            self.get_parameter("key_file").value, self.get_parameter("server_key_file").value
        )
        try:
            contract = load_contract(path)
            if contract.awaits_urdf:
                wait_s = max(DESCRIPTION_WAIT_S, self.get_parameter("sample_timeout").value)
                description = robot_description(
                    self, contract.awaits_urdf, wait_s, self.asked_to_stop
                )
                contract = load_contract(path, description)
            check_settings(link_settings(contract, server, client_id, keys))
            timeout_s = self.get_parameter("sample_timeout").value
            if timeout_s > 0.0:
                self._check(contract, server, client_id, keys, timeout_s)
        except ContractError as error:
            raise WrongSetup(f"contract {located(error, path)}") from None
        except InferentialError as error:
            raise WrongSetup(str(error)) from None
        for warning in contract.warnings:
            self.get_logger().warning(warning)
        self._interfaces = RosInterfaces(self, contract, server, client_id, keys)
        self.get_logger().info(
            f"{contract.robot} asks the model {contract.model.id!r} at {server}"
        )

    def activate(self) -> None:
        """Connect and execute."""
        interfaces = self._configured()
        interfaces.activate(self.get_parameter("thread_priority").value)
        interfaces.tune(self._tuning())

    def deactivate(self) -> None:
        """Stop motion."""
        self._configured().deactivate()

    def release(self) -> None:
        """Stop motion and give everything back."""
        interfaces, self._interfaces = self._interfaces, None
        if interfaces is not None:
            interfaces.destroy()

    def _check(
        self,
        contract: Contract,
        server: str,
        client_id: str,
        keys: KeyFiles,
        timeout_s: float,
    ) -> None:
        """ContractError where the model or the robot contradicts; a warning where they are silent.

        The model is asked for no longer than a server that is there takes to answer.
        """
        wait_s = min(timeout_s, MODEL_WAIT_S)
        specification, reason = fetch_specification(
            server, client_id, contract.model.id, wait_s, keys
        )
        if reason:
            self.get_logger().warning(f"the model was not checked: {reason}")
        for line in check_live(self, contract, timeout_s, self.asked_to_stop, specification):
            self.get_logger().warning(line)

    def _configured(self) -> RosInterfaces:
        assert self._interfaces is not None
        return self._interfaces

    def _tuning(self, changed: dict[str, Any] | None = None) -> Tuning:
        values = {name: self.get_parameter(name).value for name in Tuning._fields}
        return Tuning(**values | (changed or {}))

    def _on_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        """Refuse what cannot take effect now; what can, does at once."""
        changed = {p.name: p.value for p in parameters}
        if self._interfaces is not None:
            for name in AT_CONFIGURE:
                if name in changed:
                    reason = f"{name} is read when the node is configured: clean it up first"
                    return SetParametersResult(successful=False, reason=reason)
            tuning = {name: changed[name] for name in Tuning._fields if name in changed}
            if tuning:
                self._interfaces.tune(self._tuning(tuning))
        return SetParametersResult(successful=True)

    def _default_client_id(self) -> str:
        name, namespace = self.get_name(), self.get_namespace().strip("/")
        if not namespace:
            return name
        return namespace if name == DEFAULT_NAME else f"{namespace}/{name}"


def contract_path(given: str) -> str:
    """Where the contract is; WrongSetup if none was given."""
    if not given:
        raise WrongSetup("the parameter contract_file is empty: name the robot's contract (YAML)")
    return find_contract(given)


def main(args: list[str] | None = None) -> int:
    """Run the node until a signal; 1 if it could not be configured and activated."""
    # What its client logs, the bridge tells by the node's logger.
    logging.getLogger("inferential_core.client").addHandler(logging.NullHandler())
    return run(BridgeNode, args)


if __name__ == "__main__":
    sys.exit(main())
