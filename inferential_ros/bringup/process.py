"""One ROS 2 process as plain data, and the command line that it stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inferential_ros.resources import PACKAGE


@dataclass(frozen=True)
class Process:
    """One ROS 2 process, in the words of launch_ros."""

    executable: str
    name: str
    namespace: str = ""
    package: str = PACKAGE
    params_file: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)  # win over params_file
    remappings: Sequence[tuple[str, str]] = ()
    arguments: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)  # added to the environment
    log_level: str = ""
    respawn: bool = False
    lifecycle: bool = False  # a managed node, whose states launch files can wait for
    required: bool = False  # its end is the end of the whole list
    foreground: bool = False  # owns the terminal; the others write to logs

    @property
    def label(self) -> str:
        """Name that is unique within a list, usable as a file name."""
        return "_".join(part for part in (self.namespace.strip("/"), self.name) if part)

    def ros_arguments(self) -> list[str]:
        """What stands after the executable on its command line."""
        rules = ["-r", f"__node:={self.name}"]
        if self.namespace:
            rules += ["-r", f"__ns:=/{self.namespace.strip('/')}"]
        for source, target in self.remappings:
            rules += ["-r", f"{source}:={target}"]
        if self.params_file:
            rules += ["--params-file", self.params_file]
        for name, value in self.parameters.items():
            rules += ["-p", f"{name}:={yaml_scalar(value)}"]
        if self.log_level:
            rules += ["--log-level", self.log_level]
        return [*self.arguments, "--ros-args", *rules]


def yaml_scalar(value: Any) -> str:
    """A parameter value as YAML on one line, quoted so that rcl reads back the same type."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return "[" + ", ".join(yaml_scalar(item) for item in value) + "]"
