"""Instructions reach the model: constants, parameters that change, and latched topics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")

import bridge_rig
import rclpy
from bridge_rig import LATCHED, Rig
from lifecycle_msgs.msg import Transition
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from std_msgs.msg import String

from inferential_ros.bridge_node import BridgeNode
from inferential_ros.contract.observation import NODE_PARAMETERS

KEYS = """
    robot: {text: arm}
    order: {parameter: instruction, text: wait}
    spoken: {topic: spoken, type: std_msgs/msg/String, qos: latched, text: nothing}
action:"""


class Listening(Rig):
    """A rig whose model keeps the texts it was asked with."""

    texts: list[tuple[str, str, str]]

    def _infer(self, obs: dict[str, Any]) -> dict[str, Any]:
        texts = (obs["robot"], obs["order"], obs["spoken"])
        if not self.texts or self.texts[-1] != texts:
            self.texts.append(texts)
        return super()._infer(obs)

    def until_asked(self, *texts: str) -> None:
        """A plan for these texts was answered."""
        self.chunks.wait(lambda _: texts in self.texts, self.chunks.mark())


def set_parameter(graph: Any, value: str) -> Any:
    told = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)
    request = SetParameters.Request(parameters=[ParameterMessage(name="instruction", value=told)])
    return graph.call(SetParameters, "/r/inference_bridge/set_parameters", request)


def test_texts_are_constants_parameters_and_latched_topics(
    graph: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge_rig, "CONTRACT", bridge_rig.CONTRACT.replace("\naction:", KEYS, 1))
    Listening.texts = []
    rig = Listening(graph, tmp_path)
    try:
        rig.run()
        rig.chunks.wait()
        assert rig.texts == [("arm", "wait", "nothing")]
        graph.publisher(String, "/r/spoken", LATCHED).publish(String(data="hello"))
        rig.until_asked("arm", "wait", "hello")
        (result,) = set_parameter(graph, "pour").results
        assert result.successful
        rig.until_asked("arm", "pour", "hello")
        # It outlives a cleanup, as parameters do.
        rig.change(Transition.TRANSITION_DEACTIVATE)
        rig.change(Transition.TRANSITION_CLEANUP)
        rig.texts.clear()
        rig.change(Transition.TRANSITION_CONFIGURE)
        rig.change(Transition.TRANSITION_ACTIVATE)
        rig.chunks.wait(since=rig.chunks.mark())
        assert {order for _, order, _ in rig.texts} == {"pour"}
    finally:
        rig.server.stop()


def test_the_parameters_of_every_bridge_are_those_a_contract_may_not_name() -> None:
    context = Context()
    rclpy.init(context=context)
    try:
        node = BridgeNode(context=context)
        declared = {name for name in node._parameters if not name.startswith("qos_overrides.")}
        node.destroy_node()
    finally:
        rclpy.shutdown(context=context)
    assert declared == set(NODE_PARAMETERS)
