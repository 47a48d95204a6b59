"""The bridge node: one robot's topics to observations, the answers back to topics.

Lifecycle:  configure   read the contract, compare it with what is published, make publishers
            activate    connect to the server, execute plans at the control rate
            deactivate  stop motion by the declared fallback, disconnect
            cleanup     take the publishers and subscriptions away
What it does while active is in bridge/session.py.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from inferential_core import InferentialError
from inferential_ros.bridge.options import link_settings
from inferential_ros.bridge.wiring import Wiring
from inferential_ros.contract.errors import ContractError
from inferential_ros.contract.live import check_live
from inferential_ros.contract.loading import load_contract
from inferential_ros.contract.model_check import check_model, fetch_specification
from inferential_ros.contract.schema import Contract
from inferential_ros.lifecycle import WrongSetup, run, transition
from inferential_ros.link import check_settings
from inferential_ros.parameters import declare
from inferential_ros.resources import share_path

DEFAULT_NAME = "inference_bridge"
DEFAULT_SERVER = "tcp://127.0.0.1:5555"
MODEL_WAIT_S = 1.0
SUCCESS = TransitionCallbackReturn.SUCCESS


class BridgeNode(LifecycleNode):
    """Parameters and transitions; the rest is `Wiring`."""

    def __init__(self, name: str = DEFAULT_NAME, **options: Any) -> None:
        super().__init__(name, **options)
        declare(
            self,
            "contract_file",
            "",
            "Path of the contract (YAML) that maps this robot's topics; a bare name is looked up"
            " in this package's config/contracts",
        )
        declare(self, "server", DEFAULT_SERVER, "ZeroMQ address of the inference server")
        declare(
            self,
            "client_id",
            "",
            "Id towards the server, unique in the fleet; empty: the namespace, and the node's"
            " name where that is not the default one",
        )
        declare(self, "autostart", True, "Configure and activate at start, without a manager")
        declare(
            self,
            "sample_timeout",
            2.0,
            "Longest wait at configure, in seconds, for a message of each observation topic and"
            " a subscriber of each output, to check the contract against; 0: no wait, no check",
            between=(0.0, 60.0),
        )
        self._wiring: Wiring | None = None

    @transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Refuse a wrong contract with the path of the wrong key."""
        path = contract_path(self.get_parameter("contract_file").value)
        server = self.get_parameter("server").value
        client_id = self.get_parameter("client_id").value or self._default_client_id()
        try:
            contract = load_contract(path)
            check_settings(link_settings(contract, server, client_id))
            timeout_s = self.get_parameter("sample_timeout").value
            if timeout_s > 0.0:
                self._check(contract, server, client_id, timeout_s)
        except ContractError as error:
            raise WrongSetup(f"contract {path}: {error}") from None
        except InferentialError as error:
            raise WrongSetup(str(error)) from None
        for warning in contract.warnings:
            self.get_logger().warning(warning)
        self._wiring = Wiring(self, contract, server, client_id)
        self.get_logger().info(f"{contract.robot}: asks {contract.model.id!r} at {server}")
        return super().on_configure(state)

    @transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Connect and execute."""
        result = super().on_activate(state)  # first: the loop's publishers must be enabled
        try:
            self._configured().activate()
        except Exception:
            super().on_deactivate(state)
            raise
        return result

    @transition
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop motion, then silence the publishers."""
        self._configured().deactivate()
        return super().on_deactivate(state)

    @transition
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give everything back that configure made."""
        self._release()
        return super().on_cleanup(state)

    @transition
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop motion and give everything back, from any state."""
        self._release()
        return super().on_shutdown(state)

    @transition
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured, with nothing left over."""
        self._release()
        return SUCCESS

    def _check(self, contract: Contract, server: str, client_id: str, timeout_s: float) -> None:
        """ContractError where the model or the robot contradicts; a warning where they are silent.

        The model is asked for no longer than a server that is there takes to answer.
        """
        wait_s = min(timeout_s, MODEL_WAIT_S)
        specification, reason = fetch_specification(server, client_id, contract.model.id, wait_s)
        if reason:
            self.get_logger().warning(f"model: not checked: {reason}")
        check_model(contract, specification)
        for unchecked in check_live(self, contract, timeout_s):
            self.get_logger().warning(unchecked)

    def _configured(self) -> Wiring:
        assert self._wiring is not None
        return self._wiring

    def _release(self) -> None:
        wiring, self._wiring = self._wiring, None
        if wiring is not None:
            wiring.destroy()

    def _default_client_id(self) -> str:
        name, namespace = self.get_name(), self.get_namespace().strip("/")
        if not namespace:
            return name
        return namespace if name == DEFAULT_NAME else f"{namespace}/{name}"


def contract_path(given: str) -> str:
    """Where the contract is; WrongSetup if none was given."""
    if not given:
        raise WrongSetup("parameter contract_file is empty: name the robot's contract (YAML)")
    if os.sep not in given and not os.path.exists(given):
        return share_path(f"config/contracts/{given.removesuffix('.yaml')}.yaml")
    return given


def main(args: list[str] | None = None) -> int:
    """Run the node until a signal; 1 if it could not be configured and activated."""
    return run(BridgeNode, args)


if __name__ == "__main__":
    sys.exit(main())
