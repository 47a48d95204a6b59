"""The server node's service that changes models: off by default, and from named folders only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("inferential.srv", reason="ROS 2 or the built services are missing")
pytest.importorskip("pydantic", reason="the server side needs pydantic")

from inferential.msg import ServerStatus
from inferential.srv import ChangeModel
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_srvs.srv import Trigger

from inferential_core import Connection

LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
SERVICE = "/inference_server/change_model"
MODEL = """
import numpy as np

class Two:
    version = "2"
    def infer(self, observation):
        return {"actions": np.ones((1, 1))}

class Broken:
    def __init__(self):
        raise OSError("no such weights")
"""


def version(address: str, model_id: str) -> str:
    with Connection(server=address, client_id="tester") as connection:
        model = connection.model(model_id, latency_budget_ms=10_000)
        model.observe(state=np.zeros(2, dtype=np.float32))
        return model.get_reply(timeout_ms=10_000).model_version


def test_models_of_the_folder_are_loaded_replaced_and_unloaded(
    graph: Any, start: Callable[..., Any], address: str, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "graph_models.py").write_text(MODEL)
    config = tmp_path / "server.yaml"
    config.write_text(f"control: {{folders: [{folder}]}}\n")
    inbox = graph.inbox(ServerStatus, "/server_status", LATCHED)
    options = {"config_file": str(config), "status_period": 0.1}
    server = start(
        "inferential_ros.server_node",
        bind=address,
        models=["policy:=robot_models:Constant"],
        dispatcher="local",
        **options,
    )
    inbox.wait()

    def change(action: int, model: str, target: str = "") -> Any:
        request = ChangeModel.Request(action=action, model=model, target=target)
        return graph.call(ChangeModel, SERVICE, request)

    asked = ChangeModel.Request
    assert change(asked.LOAD, "leg", "graph_models:Two").message == "model 'leg' is loaded"
    assert version(address, "leg") == "2"
    assert change(asked.REPLACE, "policy", "graph_models:Two").success
    assert version(address, "policy") == "2"
    broken = change(asked.REPLACE, "policy", "graph_models:Broken")
    assert not broken.success and "no such weights" in broken.message
    foreign = change(asked.LOAD, "shell", "os:system")
    assert not foreign.success and "lies in none of the folders" in foreign.message
    assert "is none of LOAD" in change(7, "policy").message
    assert change(asked.UNLOAD, "leg").success
    report = inbox.wait(lambda message: [model.id for model in message.models] == ["policy"])
    assert report.models[0].change == ""
    assert version(address, "policy") == "2"
    assert server.stop() == 0


def test_without_folders_there_is_no_such_service(
    graph: Any, start: Callable[..., Any], address: str
) -> None:
    inbox = graph.inbox(ServerStatus, "/server_status", LATCHED)
    start("inferential_ros.server_node", bind=address, models=["policy:=robot_models:Constant"])
    inbox.wait()
    assert graph.call(Trigger, "/inference_server/drain", Trigger.Request()).success
    services = [name for name, _ in graph.node.get_service_names_and_types()]
    assert "/inference_server/drain" in services
    assert SERVICE not in services
