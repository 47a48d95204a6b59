"""The server node with models on Ray Serve, in a cluster that it starts and that ends with it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
if find_spec("ray") is None:
    pytest.skip("Ray is not installed", allow_module_level=True)

from inferential.msg import ServerStatus
from rclpy.qos import DurabilityPolicy, QoSProfile

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture
def quiet_ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ray keeps to a folder of its own, with a short name: paths of sockets have a limit."""
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")
    monkeypatch.setenv("RAY_TMPDIR", folder)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    yield
    shutil.rmtree(folder, ignore_errors=True)


def test_ray_is_where_models_run_unless_told_otherwise(
    graph: Any, quiet_ray: None, start: Callable[..., Any], address: str
) -> None:
    inbox = graph.inbox(ServerStatus, "/server_status", LATCHED)
    server = start(
        "inferential_ros.server_node",
        bind=address,
        models=["policy:=robot_models:Constant"],
        dispatcher="",
        replicas=2,
        status_period=0.1,
    )
    both = inbox.wait(lambda m: m.models and m.models[0].replicas == 2)
    assert both.models[0].id == "policy"
    assert "models run on Ray Serve, in a cluster of its own" in server.text()
    assert server.stop() == 0  # and nothing of Ray outlives it
