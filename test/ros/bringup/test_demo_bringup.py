"""The list of processes: consistent with itself, with the launch arguments, with what is there."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable

import pytest

from inferential_ros.bringup import process_list
from inferential_ros.bringup.arguments import (
    DEMO_ARGUMENTS,
    ROBOT_ARGUMENTS,
    SERVER_ARGUMENTS,
    flag,
    mistyped,
)
from inferential_ros.bringup.process import Process
from inferential_ros.resources import executable_path, share_path

BUILDERS = [
    (process_list.server, SERVER_ARGUMENTS),
    (process_list.robot, ROBOT_ARGUMENTS),
    (process_list.demo, DEMO_ARGUMENTS),
]


@pytest.mark.parametrize(("build", "arguments"), BUILDERS)
def test_the_defaults_of_the_launch_arguments_build_a_list(build: Callable, arguments) -> None:
    given = {a.name: a.parse(a.default) for a in arguments}
    assert set(given) <= set(inspect.signature(build).parameters)
    assert build(**given)
    assert all(argument.description for argument in arguments)


@pytest.mark.parametrize(("build", "arguments"), BUILDERS)
def test_every_executable_exists_and_may_be_run(build: Callable, arguments) -> None:
    for process in build():
        assert os.access(executable_path(process.package, process.executable), os.X_OK)


def test_the_demo_is_a_server_a_director_and_two_processes_for_each_robot() -> None:
    processes = process_list.demo(robots=6, port=6001)
    assert len({process.label for process in processes}) == len(processes) == 14
    bridges = [p for p in processes if p.executable == "bridge_node"]
    assert [p.namespace for p in bridges] == [f"robot_{n}" for n in range(1, 7)]
    assert {p.parameters["server"] for p in bridges} == {"tcp://127.0.0.1:6001"}
    assert len({p.parameters["client_id"] for p in bridges}) == 6
    assert [p.executable for p in processes if p.required] == ["demo_director"]


def test_launch_is_told_of_the_states_of_the_nodes_that_have_some() -> None:
    managed = {process.executable for process in process_list.demo() if process.lifecycle}
    assert managed == {"server_node", "bridge_node"}


def test_server_and_director_turn_the_same_knob() -> None:
    processes = process_list.demo(slowdown_file="/tmp/knob")
    knobs = {p.executable: p.env.get(process_list.SLOWDOWN_FILE_VARIABLE) for p in processes}
    assert knobs["server_node"] == knobs["demo_director"] == "/tmp/knob"


def test_what_is_not_given_is_left_to_the_parameter_file() -> None:
    (process,) = process_list.server(params_file="/tmp/server.yaml", autostart=None)
    assert process.parameters == {}
    assert process.ros_arguments()[-2:] == ["--params-file", "/tmp/server.yaml"]


def test_parameters_on_the_command_line_come_after_the_file_that_they_override() -> None:
    (process,) = process_list.server(params_file="/tmp/server.yaml", bind="tcp://127.0.0.1:1")
    arguments = process.ros_arguments()
    assert arguments.index("--params-file") < arguments.index("bind:='tcp://127.0.0.1:1'")


def test_values_reach_a_node_with_their_type() -> None:
    rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")
    values = {
        "text": "it's 5",
        "number_like": "5",
        "yes": "yes",
        "whole": 5,
        "real": 5.0,
        "flag": False,
        "list": ["policy:=a.b:C", "x"],
    }
    process = Process("x", "probe", namespace="/there", parameters=values)
    context = rclpy.Context()
    rclpy.init(args=["x", *process.ros_arguments()], context=context)
    try:
        node = rclpy.create_node(
            "other", context=context, automatically_declare_parameters_from_overrides=True
        )
        assert node.get_fully_qualified_name() == "/there/probe"
        found = {name: node.get_parameter(name).value for name in values}
        assert found == values
        assert {name: type(value) for name, value in found.items()} == {
            name: type(value) for name, value in values.items()
        }
        node.destroy_node()
    finally:
        context.try_shutdown()


def test_flags_are_true_false_or_left_open() -> None:
    assert [flag(text) for text in ("true", "False", "")] == [True, False, None]
    with pytest.raises(ValueError, match="true or false"):
        flag("maybe")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("lanes", "two", "must be a whole number of at least 0, not 'two'"),
        ("replicas", "-1", "must be a whole number of at least 0, not '-1'"),
        ("timeout", "soon", "must be a number, not 'soon'"),
        ("timeout", "nan", "must be a number, not 'nan'"),
        ("allow_insecure", "maybe", "must be true or false, not 'maybe'"),
        ("log_level", "loud", "must be one of debug, info, warn, error, fatal, not 'loud'"),
        ("params_file", "/nothere.yaml", "there is no file '/nothere.yaml'"),
        ("thread_priority", "500", "must be a whole number from 0 to 99, not '500'"),
        ("robots", "", "must not be empty"),
        ("robots", "0", "must be a whole number of at least 1, not '0'"),
        ("port", "70000", "must be a whole number from 1 to 65535, not '70000'"),
        ("seconds", "long", "must be a number, not 'long'"),
        ("seed", "1.5", "must be a whole number from 0 to 2000000, not '1.5'"),
    ],
)
def test_a_launch_argument_of_another_kind_is_answered_in_words(
    name: str, text: str, words: str
) -> None:
    every = {a.name: a for a in (*SERVER_ARGUMENTS, *ROBOT_ARGUMENTS, *DEMO_ARGUMENTS)}
    with pytest.raises(ValueError) as refused:
        every[name].parse(text)
    assert str(refused.value) == words


def test_launch_arguments_are_read_with_their_types() -> None:
    every = {a.name: a for a in (*SERVER_ARGUMENTS, *ROBOT_ARGUMENTS, *DEMO_ARGUMENTS)}
    given = {"lanes": "2", "timeout": "0.5", "thread_priority": "50", "robots": "3", "seed": "7"}
    assert {name: every[name].parse(text) for name, text in given.items()} == {
        "lanes": 2,
        "timeout": 0.5,
        "thread_priority": 50,
        "robots": 3,
        "seed": 7,
    }
    assert every["log_level"].parse("bridge:=debug") == "bridge:=debug"
    assert every["params_file"].parse(__file__) == __file__


def test_a_launch_argument_that_is_nearly_one_is_told() -> None:
    names = ["models", "modles", "contract_file", "my_own_switch"]
    assert mistyped(names, SERVER_ARGUMENTS) == [
        "no launch argument is named modles: did you mean models?"
    ]


def test_no_robots_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        process_list.demo(robots=0)


@pytest.mark.parametrize("name", ["config/demo/cartpole.yaml", "config/demo/cartpole.xml"])
def test_the_demos_files_are_where_they_are_looked_for(name: str) -> None:
    assert os.path.isfile(share_path(name))


@pytest.mark.parametrize(("build", "arguments"), BUILDERS)
def test_launch_makes_a_node_of_each_process(build: Callable, arguments) -> None:
    pytest.importorskip("launch_ros", reason="launch comes with a ROS 2 installation")
    from launch import LaunchContext
    from launch.actions import OpaqueFunction
    from launch_ros.actions import LifecycleNode

    from inferential_ros.bringup.launching import description

    context = LaunchContext()
    entities = description(arguments, build).entities
    for entity in entities[:-1]:
        entity.execute(context)
    assert isinstance(entities[-1], OpaqueFunction)
    nodes = entities[-1].execute(context)
    assert [node.node_executable for node in nodes] == [p.executable for p in build()]
    managed = {node.node_executable for node in nodes if isinstance(node, LifecycleNode)}
    assert managed == {"server_node", "bridge_node"} & {p.executable for p in build()}
