"""Keys through the nodes: parameters in, and at the robot's topics why it is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("pydantic", reason="the server side needs pydantic")

from bridge_rig import CONTRACT, LATCHED
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from inferential.msg import BridgeStatus, ServerStatus
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from inferential_core import cli as command

SERVER, BRIDGE = "inferential_ros.server_node", "inferential_ros.bridge_node"
MODELS = ["policy:=robot_models:Constant"]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder as the README has it made; `robot_2` is not authorized."""
    for words in (("server",), ("robot_1", "--authorize"), ("robot_2",)):
        assert command.main(["keys", "new", *words, "--keys", str(tmp_path / "keys")]) == 0
    return tmp_path / "keys"


@pytest.fixture
def robot(
    graph: Any, start: Callable[..., Any], address: str, keys: Path, tmp_path: Path
) -> Callable[..., Any]:
    """Starts the server with keys, and the bridge of a robot with these key files."""

    def run(name: str, **files: str) -> Any:
        contract = tmp_path / "contract.yaml"
        contract.write_text(CONTRACT)
        start(SERVER, bind=address, models=MODELS, keys=str(keys))
        joints = JointState(name=["gripper", "arm"], position=[0.1, 0.2])
        graph.repeat((graph.publisher(JointState, f"/{name}/joint_states"), joints))
        settings = {"contract_file": str(contract), "server": address, "sample_timeout": 0.0}
        return start(BRIDGE, name, **settings, **files)

    return run


def files_of(keys: Path, name: str) -> dict[str, str]:
    return {
        "key_file": str(keys / f"{name}.key_secret"),
        "server_key_file": str(keys / "server.key"),
    }


def test_a_robot_with_its_key_is_moved(graph: Any, robot: Callable[..., Any], keys: Path) -> None:
    arm = graph.inbox(Float64MultiArray, "/robot_1/arm")
    robot("robot_1", **files_of(keys, "robot_1"))
    assert list(arm.wait().data) == [0.25]


@pytest.mark.parametrize(("key", "told"), [("", "demand"), ("robot_2", "refuses this key")])
def test_a_robot_that_is_refused_says_why_and_stands_still_until_it_is_let_in(
    graph: Any, robot: Callable[..., Any], keys: Path, key: str, told: str
) -> None:
    arm = graph.inbox(Float64MultiArray, "/robot_2/arm")
    status = graph.inbox(BridgeStatus, "/robot_2/bridge_status", LATCHED)
    server = graph.inbox(ServerStatus, "/server_status", LATCHED)
    diagnostics = graph.inbox(DiagnosticArray, "/diagnostics")
    process = robot("robot_2", **files_of(keys, key) if key else {})
    refused = status.wait(lambda m: told in m.last_error)
    assert (refused.connected, refused.state) == (False, BridgeStatus.STATE_WAITING)

    def link_of(message: Any) -> list[DiagnosticStatus]:
        return [s for s in message.status if s.name.endswith("link") and told in s.message]

    for _ in range(2):  # with the second report the log has been told, too
        reported = diagnostics.wait(link_of, diagnostics.mark())
        assert link_of(reported)[0].level == DiagnosticStatus.ERROR
    server.wait(lambda m: m.handshakes_refused > 0 and m.received == 0)
    assert not arm.messages
    if key:
        assert command.main(["keys", "authorize", "robot_2", "--keys", str(keys)]) == 0
        assert list(arm.wait().data) == [0.25]
        status.wait(lambda m: m.connected and not m.last_error, status.mark())
    assert process.stop() == 0
    assert told in process.text()


def test_a_key_that_others_can_read_ends_the_bridge_with_the_command_that_mends_it(
    robot: Callable[..., Any], keys: Path
) -> None:
    (keys / "robot_1.key_secret").chmod(0o644)
    bridge = robot("robot_1", **files_of(keys, "robot_1"))
    assert bridge.wait() == 1
    assert f"chmod 600 {keys / 'robot_1.key_secret'}" in bridge.text()


def test_the_server_node_does_not_listen_beyond_this_machine_without_keys(
    start: Callable[..., Any],
) -> None:
    server = start(SERVER, bind="tcp://0.0.0.0:*", models=MODELS)
    assert server.wait() == 1
    assert "inferential keys new server" in server.text()
    assert "Traceback" not in server.text()
