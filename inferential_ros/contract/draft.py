"""Topics that were seen -> the text of a contract to start from. Knows no rclpy.

What cannot be known from outside, such as what the numbers of an array command mean, is guessed
and marked with a comment. What is written always loads, and reads the messages that were seen: a
topic whose message cannot be read is left out, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from inferential_ros.contract.draft_keys import JOINTS, drafted_key, joint_names, refusal
from inferential_ros.contract.draft_text import listed, scalar
from inferential_ros.contract.observation import RESERVED_KEYS
from inferential_ros.contract.topics import TOPIC
from inferential_ros.contract.urdf import ENDLESS, Joint, parse_urdf
from inferential_ros.convert import compressed_depth, input_types
from inferential_ros.convert.registry import ANY
from inferential_ros.options.errors import ContractError, suggestion

COMMANDS = {
    "trajectory_msgs/msg/JointTrajectory": "position",
    "std_msgs/msg/Float64MultiArray": "position",
    "std_msgs/msg/Float32MultiArray": "position",
    "geometry_msgs/msg/Twist": "twist",
    "geometry_msgs/msg/TwistStamped": "twist",
}
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
OURS = {"action_chunk", "bridge_status", "server_status", "executed_chunk", "pending_chunk"}
SYSTEM = {"/rosout", "/parameter_events", "/clock", "/tf", "/tf_static", "/diagnostics"}
DESCRIPTION = "robot_description"
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
    left_out: tuple[str, ...] = ()  # joints that the sample does not have


def draft(seen: Iterable[Seen], namespace: str = "", robot: str = "robot") -> str:
    """The YAML of a contract for these topics, seen from a namespace."""
    prefix = "/" + namespace.strip("/") + "/" if namespace.strip("/") else "/"
    by_topic = {s.topic: s for s in seen if _of_the_robot(s)}
    topics = [by_topic[topic] for topic in sorted(by_topic)]
    commands = [
        s
        for s in topics
        if s.subscribers and (s.type in COMMANDS or _commanded(s)) and TOPIC.fullmatch(s.topic)
    ]
    described = [s for s in topics if s.topic.rpartition("/")[2] == DESCRIPTION]
    sensors = [s for s in topics if s.publishers and s not in (*commands, *described)]
    joints = next(filter(None, (joint_names(s) for s in sensors if s.type == JOINTS)), [])
    lines = [
        f"# Written by `inferential contract new`, which saw {len(topics)} topics. Read it",
        "# through, above all the actions, and then: inferential contract check THIS_FILE",
        f"robot: {scalar(robot or 'robot')}",
        "",
        "model:",
        "  id: policy                      # as the server names it",
        "",
        "observation:",
        "  trigger: {runway: 0.5}          # ask again when half of the chunk is left",
        "  keys:",
        *_keys(sensors, prefix, set(by_topic)),
        "    task:",
        "      text: what to do            # drop it where the model takes no text",
        "",
        "action:",
        *_action(commands, joints, _urdf(described), prefix),
    ]
    return "\n".join(lines) + "\n"


def check_namespace(seen: Iterable[Seen], namespace: str) -> None:
    """ContractError if none of the topics is in that namespace, with those that there are."""
    name = namespace.strip("/")
    topics = [each.topic for each in seen if _of_the_robot(each)]
    if not name or any(topic.startswith(f"/{name}/") for topic in topics):
        return
    known = {topic.split("/")[1] for topic in topics if topic.count("/") > 1}
    if not topics:
        hint = "no topic of a robot was seen at all: is it running, in this ROS_DOMAIN_ID?"
    elif not known:
        hint = "the topics that were seen are in none: leave it out"
    else:
        hint = suggestion(name, known)
    raise ContractError("--namespace", f"no topic is in the namespace {name!r}; {hint}")


def _of_the_robot(seen: Seen) -> bool:
    return seen.topic not in SYSTEM and seen.topic.rpartition("/")[2] not in OURS


def _commanded(seen: Seen) -> bool:
    return seen.type == JOINTS and "command" in seen.topic and not seen.publishers


def _keys(sensors: Sequence[Seen], prefix: str, seen_topics: Set[str]) -> list[str]:
    known = set(input_types()) - {ANY, "sensor_msgs/msg/CameraInfo"}
    compressed = {s.topic.removesuffix("/compressed") for s in sensors if s.type == COMPRESSED}
    raw = {s.topic for s in sensors if s.type == IMAGE}
    lines: list[str] = []
    taken: set[str] = {"task", *RESERVED_KEYS}
    others: list[str] = []
    for seen in sensors:
        topic, options = _relative(seen.topic, prefix), drafted_key(seen)
        if seen.type not in known:
            why = ""
        elif seen.type == IMAGE and seen.topic in compressed:
            why = "read compressed instead"
        elif seen.type == COMPRESSED and _depth_of(seen) in raw:
            why = f"read {_relative(_depth_of(seen), prefix)} instead"
        elif (seen.type == JOINTS or _depth_of(seen)) and seen.sample is None:
            why = "no message came"
        else:
            why = refusal(seen, topic, options)
            if not why:
                lines += [f"    {scalar(_name(topic, taken))}:", *_written(seen, topic, options)]
                continue
        others.append("    #   " + "  ".join(" ".join(t.split()) for t in (topic, seen.type, why)))
    if not lines:
        names = ("joint_states", *(f"joint_states_{count}" for count in range(len(seen_topics))))
        guessed = next(name for name in names if prefix + name not in seen_topics)
        lines = [
            "    state:                        # nothing that is known was published: a guess",
            f"      topic: {guessed}",
            f"      type: {JOINTS}",
            "      joints: [joint_1]",
        ]
    if others:
        lines.append("    # not taken (any type can be read by its fields, with `select`):")
        lines += [line.rstrip() for line in others]
    return lines


def _depth_of(seen: Seen) -> str:
    """The topic whose images a topic of compressedDepth holds; '' where it is none."""
    raw, _, transport = seen.topic.rpartition("/")
    return raw if transport == compressed_depth.NAME else ""


def _written(seen: Seen, topic: str, options: dict[str, Any]) -> list[str]:
    """The lines of a key."""
    rate = f"  # {seen.rate_hz:.0f} Hz" if seen.rate_hz >= 1.0 else ""
    lines = [f"      topic: {scalar(topic)}{rate}", f"      type: {seen.type}"]
    if seen.latched:
        lines.append("      qos: latched")
    for name, value in options.items():
        comment = ""
        if name == "encodings" and seen.sample is not None:
            comment = f"  # {seen.sample.width} x {seen.sample.height}"
        elif name == "points":
            comment = "                # as many for every observation"
        elif name == "unnamed":
            comment = "               # the messages name no joints: give their names above"
        shown = listed(value) if isinstance(value, list) else scalar(value)
        lines.append(f"      {name}: {shown}{comment}")
        if name == "fields" and seen.left_out:
            left_out = ", ".join(map(scalar, seen.left_out))
            lines.append(f"      # not taken, as their messages lack these fields: {left_out}")
    if seen.rate_hz >= 1.0 and seen.type != "std_msgs/msg/String":
        lines.append(f"      max_age_s: {max(0.1, round(5.0 / seen.rate_hz, 1))}")
    return lines


def _urdf(described: Sequence[Seen]) -> Mapping[str, Joint]:
    """The joints of the URDF that the robot publishes of itself; none where it is none."""
    for seen in described:
        try:
            return parse_urdf(str(getattr(seen.sample, "data", "")), seen.topic)
        except ContractError:
            continue
    return {}


def _action(
    commands: Sequence[Seen], joints: list[str], urdf: Mapping[str, Joint], prefix: str
) -> list[str]:
    twists = any(COMMANDS.get(seen.type) == "twist" for seen in commands)
    others = not commands or any(COMMANDS.get(seen.type) != "twist" for seen in commands)
    names = [name for name in joints if name not in AXES] or ["joint_1"] if others else []
    names += list(AXES) if twists else []
    lines = [
        "  # the columns of the model's chunk, in its order",
        f"  names: {listed(names)}",
        "  rate_hz: 30                     # steps of a chunk a second, as the model was trained",
    ]
    endless = [name for name in names if name in urdf and urdf[name].type == ENDLESS]
    if endless:
        lines += [
            "  # these have no ends, says the URDF: 3.1 and -3.1 rad are near each other",
            f"  continuous: {listed(endless)}",
        ]
    lines.append("  outputs:")
    if not commands:
        lines.append("    # nobody subscribes to a command of a known type: a guess")
        commands = [Seen("position_controller/commands", "std_msgs/msg/Float64MultiArray")]
    for seen in commands:
        lines += _output(seen, names, prefix)
    return lines


def _output(seen: Seen, names: list[str], prefix: str) -> list[str]:
    kind = COMMANDS.get(seen.type, "position")
    own = [name for name in names if (name in AXES) == (kind == "twist")]
    topic = scalar(_relative(seen.topic, prefix))
    lines = [f"    - topic: {topic}", f"      type: {seen.type}"]
    if seen.type.endswith("MultiArray"):
        lines.append("      kind: position              # or velocity, effort: what do they mean?")
    if own != names:
        lines.append(f"      select: {listed(own)}")
    if kind == "twist":
        part = "twist." if seen.type.endswith("Stamped") else ""
        lines.append(f"      fields: {listed([part + AXES[name] for name in own])}")
    return [*lines, "      # limits: [-1.0, 1.0]        # of the values published; and max_step"]


def _name(topic: str, taken: set[str]) -> str:
    """A short name for a key: the telling part of its topic."""
    dull = {"image_raw", "image", "compressed", "data", "points", "image_rect", "image_color"}
    every = topic.strip("/").split("/")
    parts = [part for part in every if part not in dull]
    whole = every[-1] if every[-1] in ("points", "data") else "image"
    name = "state" if parts and parts[-1] == "joint_states" else "_".join(parts[-2:]) or whole
    name = "".join(c if c.isalnum() else "_" for c in name)
    unique, number = name, 2
    while unique in taken:
        unique, number = f"{name}_{number}", number + 1
    taken.add(unique)
    return unique


def _relative(topic: str, prefix: str) -> str:
    """The name in the namespace; the whole one where the rest is none by itself."""
    relative = topic.removeprefix(prefix)
    return relative if TOPIC.fullmatch(relative) else topic
