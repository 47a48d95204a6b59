"""Turns the process lists of process_list.py into a launch description.

The only module that imports launch and launch_ros, so launch files stay three lines long and
everything worth testing lives in process_list.py, which needs neither.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node

from inferential_core.process.launcher import LAUNCHER_VARIABLE
from inferential_ros.bringup.arguments import Argument, mistyped
from inferential_ros.bringup.process import Process


def description(
    arguments: Sequence[Argument], build: Callable[..., list[Process]]
) -> LaunchDescription:
    """Declares the arguments; at launch time calls `build` with their parsed values."""

    def start(context: LaunchContext) -> list[Node]:
        for hint in mistyped(context.launch_configurations, arguments):
            get_logger("inferential").warning(hint)
        values: dict[str, Any] = {}
        for argument in arguments:
            text = LaunchConfiguration(argument.name).perform(context)
            try:
                values[argument.name] = argument.parse(text)
            except ValueError as error:
                raise ValueError(f"launch argument {argument.name}: {error}") from error
        return [to_node(process) for process in build(**values)]

    declared = [
        DeclareLaunchArgument(a.name, default_value=a.default, description=a.description)
        for a in arguments
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def to_node(process: Process) -> Node:
    """One process as a launch_ros node; a managed one tells launch of its states."""
    parameters: list[Any] = [process.params_file] if process.params_file else []
    if process.parameters:
        parameters.append(dict(process.parameters))
    return (LifecycleNode if process.lifecycle else Node)(
        package=process.package,
        executable=process.executable,
        name=process.name,
        namespace=process.namespace,
        parameters=parameters,
        remappings=list(process.remappings),
        arguments=list(process.arguments),
        ros_arguments=["--log-level", process.log_level] if process.log_level else [],
        additional_env={**process.env, LAUNCHER_VARIABLE: str(os.getpid())},
        respawn=process.respawn,
        respawn_delay=1.0 if process.respawn else None,
        output="screen",
        on_exit=Shutdown(reason=f"{process.label} ended") if process.required else None,
    )
