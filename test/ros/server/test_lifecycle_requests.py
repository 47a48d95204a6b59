"""Lifecycle requests that do not fit the state: the caller is told, and the node goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("pydantic", reason="the server side needs pydantic")

from bridge_rig import Rig
from inferential.msg import ServerStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.qos import DurabilityPolicy, QoSProfile

LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
OUT_OF_PLACE = [
    Transition(id=Transition.TRANSITION_ACTIVATE),
    Transition(id=Transition.TRANSITION_CONFIGURE),
    Transition(id=Transition.TRANSITION_CLEANUP),
    Transition(label="activate"),
    Transition(label="no such transition"),
    Transition(id=200),
]


def ask(graph: Any, node: str, transition: Transition) -> bool:
    request = ChangeState.Request(transition=transition)
    return bool(graph.call(ChangeState, f"{node}/change_state", request).success)


def test_a_server_node_refuses_them_and_goes_on(
    graph: Any, start: Callable[..., Any], address: str
) -> None:
    server = start(
        "inferential_ros.server_node",
        bind=address,
        models=["policy:=robot_models:Constant"],
        status_period=0.1,
    )
    inbox = graph.inbox(ServerStatus, "/server_status", LATCHED)
    inbox.wait()
    assert [ask(graph, "/inference_server", each) for each in OUT_OF_PLACE] == [False] * 6
    inbox.wait(since=inbox.mark())
    assert ask(graph, "/inference_server", Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert server.stop() == 0


def test_a_bridge_refuses_them_and_its_robot_goes_on(rig: Rig) -> None:
    rig.run()
    rig.expect([0.5], [2.0])
    refused = [ask(rig.graph, "/r/inference_bridge", each) for each in OUT_OF_PLACE]
    assert refused == [False] * 6
    rig.expect([0.5], [2.0])
