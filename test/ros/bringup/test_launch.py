"""What the launch files and parameter files say exists: parameters, contracts, arguments."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")

from rclpy.node import Node

from inferential_ros.bridge_node import BridgeNode, contract_path
from inferential_ros.bringup import arguments, process_list
from inferential_ros.contract.loading import load_contract
from inferential_ros.options.yaml_file import read_yaml
from inferential_ros.server_node import ServerNode

ROOT = Path(__file__).parents[3]


def declared(graph: Any, kind: type[Node]) -> Node:
    return graph.add(kind(context=graph.context))


@pytest.mark.parametrize(
    ("kind", "build", "arguments"),
    [
        (BridgeNode, process_list.robot, arguments.ROBOT_ARGUMENTS),
        (ServerNode, process_list.server, arguments.SERVER_ARGUMENTS),
    ],
    ids=["robot", "server"],
)
def test_the_parameters_that_launch_files_set_are_declared_and_described(
    graph: Any, kind: type[Node], build: Any, arguments: Any
) -> None:
    node = declared(graph, kind)
    words = {"models": ["a:=b:c"], "use_sim_time": True, "autostart": True, "use_respawn": True}
    words |= {"replicas": 2, "lanes": 2, "process": ["a"], "timeout": 5.0}
    values = {a.name: words.get(a.name, f"some_{a.name}") for a in arguments}
    (process,) = build(**values)
    assert len(process.parameters) >= 4
    for name in process.parameters:
        assert node.has_parameter(name), name
        assert node.describe_parameter(name).description or name == "use_sim_time", name


@pytest.mark.parametrize(
    ("kind", "file"), [(BridgeNode, "bridge.yaml"), (ServerNode, "server.yaml")]
)
def test_the_parameter_files_set_what_the_nodes_have(
    graph: Any, kind: type[Node], file: str
) -> None:
    node = declared(graph, kind)
    parameters = read_yaml(ROOT / "config" / file)["/**"]["ros__parameters"]
    assert parameters and all(node.has_parameter(name) for name in parameters)


def test_a_contract_of_the_package_is_found_by_its_name() -> None:
    assert load_contract(contract_path("arm")).robot == "arm"


@pytest.mark.parametrize("name", ["server", "robot"])
def test_launch_files_declare_their_arguments(name: str) -> None:
    pytest.importorskip("launch_ros", reason="launch_ros comes with a ROS 2 installation only")
    path = ROOT / "launch" / f"{name}.launch.py"
    spec = importlib.util.spec_from_file_location(f"{name}_launch", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    declared = {
        a.name: a.description for a in module.generate_launch_description().get_launch_arguments()
    }
    expected = {a.name for a in getattr(arguments, f"{name.upper()}_ARGUMENTS")}
    assert set(declared) == expected and all(declared.values())
