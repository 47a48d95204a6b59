"""Topics that were seen -> the text of a contract to start from. Knows no rclpy.

What cannot be known from outside, such as what the numbers of an array command mean, is guessed
and marked with a comment; what is written always loads.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from inferential_ros.convert import input_types
from inferential_ros.convert.registry import ANY

COMMANDS = {
    "trajectory_msgs/msg/JointTrajectory": "position",
    "std_msgs/msg/Float64MultiArray": "position",
    "std_msgs/msg/Float32MultiArray": "position",
    "geometry_msgs/msg/Twist": "twist",
    "geometry_msgs/msg/TwistStamped": "twist",
}
JOINTS = "sensor_msgs/msg/JointState"
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
OURS = {"action_chunk", "bridge_status", "server_status", "executed_chunk", "pending_chunk"}
SYSTEM = {"/rosout", "/parameter_events", "/clock", "/tf", "/tf_static", "/diagnostics"}
WIDTH = 80
AXES = {"linear_x": "linear.x", "angular_z": "angular.z"}


@dataclass(frozen=True)
class Seen:
    """One topic of a running robot."""

    topic: str
    type: str
    publishers: int = 1
    subscribers: int = 0
    sample: Any = None
    rate_hz: float = 0.0  # 0: unknown
    latched: bool = False


def draft(seen: Iterable[Seen], namespace: str = "", robot: str = "robot") -> str:
    """The YAML of a contract for these topics, seen from a namespace."""
    prefix = "/" + namespace.strip("/") + "/" if namespace.strip("/") else "/"
    topics = sorted((s for s in seen if _of_the_robot(s)), key=lambda s: s.topic)
    commands = [s for s in topics if s.subscribers and (s.type in COMMANDS or _commanded(s))]
    sensors = [s for s in topics if s.publishers and s not in commands]
    joints = _joints(sensors)
    lines = [
        f"# Written by `inferential contract new`, which saw {len(topics)} topics. Read it",
        "# through, above all the actions, and then: inferential contract check THIS_FILE",
        f"robot: {robot}",
        "",
        "model:",
        "  id: policy                      # as the server names it",
        "",
        "observation:",
        "  trigger: {runway: 0.5}          # ask again when half of the chunk is left",
        "  keys:",
        *_keys(sensors, prefix),
        "    task:",
        "      text: what to do            # drop it where the model takes no text",
        "",
        "action:",
        *_action(commands, joints, prefix),
    ]
    return "\n".join(lines) + "\n"


def _of_the_robot(seen: Seen) -> bool:
    return seen.topic not in SYSTEM and seen.topic.rpartition("/")[2] not in OURS


def _commanded(seen: Seen) -> bool:
    return seen.type == JOINTS and "command" in seen.topic and not seen.publishers


def _joints(sensors: Sequence[Seen]) -> list[str]:
    for seen in sensors:
        if seen.type == JOINTS and seen.sample is not None and len(seen.sample.name):
            return [str(name) for name in seen.sample.name]
    return []


def _keys(sensors: Sequence[Seen], prefix: str) -> list[str]:
    known = set(input_types()) - {ANY}
    compressed = {s.topic.removesuffix("/compressed") for s in sensors if s.type == COMPRESSED}
    lines: list[str] = []
    taken: set[str] = set()
    others: list[str] = []
    for seen in sensors:
        raw_twin = seen.type == IMAGE and seen.topic in compressed
        silent = seen.type == JOINTS and seen.sample is None
        if seen.type not in known or raw_twin or silent:
            why = "read compressed instead" if raw_twin else "no message came" if silent else ""
            others.append(f"    #   {_relative(seen.topic, prefix)}  {seen.type}  {why}".rstrip())
            continue
        lines += [f"    {_name(seen, prefix, taken)}:", *_key(seen, prefix)]
    if not lines:
        lines = [
            "    state:                        # nothing that is known was published: a guess",
            "      topic: joint_states",
            f"      type: {JOINTS}",
            "      joints: [joint_1]",
        ]
    if others:
        lines += ["    # not taken (any type can be read by its fields, with `select`):", *others]
    return lines


def _key(seen: Seen, prefix: str) -> list[str]:
    rate = f"  # {seen.rate_hz:.0f} Hz" if seen.rate_hz >= 1.0 else ""
    lines = [
        f"      topic: {_relative(seen.topic, prefix)}{rate}",
        f"      type: {seen.type}",
    ]
    if seen.latched:
        lines.append("      qos: latched")
    if seen.type == JOINTS:
        lines.append(f"      joints: {_listed(str(name) for name in seen.sample.name)}")
        filled = [f for f in ("position", "velocity", "effort") if len(getattr(seen.sample, f))]
        lines.append(f"      fields: {_listed(filled or ['position'])}")
    elif seen.type == IMAGE and seen.sample is not None:
        size = f"{seen.sample.width} x {seen.sample.height}"
        lines.append(f"      encodings: [{seen.sample.encoding}]  # {size}")
    elif seen.type == "sensor_msgs/msg/PointCloud2":
        lines.append("      points: 2048                # as many for every observation")
    if seen.rate_hz >= 1.0 and seen.type != "std_msgs/msg/String":
        lines.append(f"      max_age_s: {max(0.1, round(5.0 / seen.rate_hz, 1))}")
    return lines


def _action(commands: Sequence[Seen], joints: list[str], prefix: str) -> list[str]:
    names = list(joints)
    twists = any(COMMANDS.get(seen.type) == "twist" for seen in commands)
    if twists and not any(COMMANDS.get(seen.type) != "twist" for seen in commands):
        names = []
    names += list(AXES) if twists else []
    names = names or ["joint_1"]
    lines = [
        "  # the columns of the model's chunk, in its order",
        f"  names: {_listed(names)}",
        "  rate_hz: 30                     # steps of a chunk a second, as the model was trained",
        "  outputs:",
    ]
    if not commands:
        lines.append("    # nobody subscribes to a command of a known type: a guess")
        commands = [Seen("position_controller/commands", "std_msgs/msg/Float64MultiArray")]
    for seen in commands:
        lines += _output(seen, names, prefix)
    return lines


def _output(seen: Seen, names: list[str], prefix: str) -> list[str]:
    kind = COMMANDS.get(seen.type, "position")
    own = [name for name in names if (name in AXES) == (kind == "twist")]
    lines = [f"    - topic: {_relative(seen.topic, prefix)}", f"      type: {seen.type}"]
    if seen.type.endswith("MultiArray"):
        lines.append("      kind: position              # or velocity, effort: what do they mean?")
    if own != names:
        lines.append(f"      select: {_listed(own)}")
    if kind == "twist":
        part = "twist." if seen.type.endswith("Stamped") else ""
        lines.append(f"      fields: {_listed(part + AXES[name] for name in own)}")
    return [*lines, "      # limits: [-1.0, 1.0]        # of the values published; and max_step"]


def _name(seen: Seen, prefix: str, taken: set[str]) -> str:
    """A short name for a key: the telling part of its topic."""
    dull = {"image_raw", "image", "compressed", "data", "points", "image_rect", "image_color"}
    parts = [p for p in _relative(seen.topic, prefix).strip("/").split("/") if p not in dull]
    name = "state" if parts and parts[-1] == "joint_states" else "_".join(parts[-2:]) or "image"
    name = "".join(c if c.isalnum() else "_" for c in name)
    unique, number = name, 2
    while unique in taken:
        unique, number = f"{name}_{number}", number + 1
    taken.add(unique)
    return unique


def _relative(topic: str, prefix: str) -> str:
    return topic.removeprefix(prefix)


def _listed(names: Iterable[str]) -> str:
    """A list in brackets, on several lines where one would be long."""
    line = ", ".join(names)
    if len(line) <= WIDTH:
        return f"[{line}]"
    wrapped = textwrap.wrap(line, WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(["[", *(f"          {part}" for part in wrapped), "        ]"])
