"""A model's specification -> the text of a robot's contract to begin with. Knows nothing of ROS.

What the model says stands in it: keys, sizes, names, rate. Which topics carry that, only the
robot's people know: the topics here are guesses, and marked as such.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..models.answers import ACTIONS
from ..models.specification import joints_of

_WIDTH = 80
_GUESSED_HZ = 30.0
_JOINTS = re.compile(r"state|joint|qpos")  # in the name of a vector that a JointState holds
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}  # no texts to YAML
_TEXT = "string"
_ARRAYS = {"float64": "Float64MultiArray", "uint8": "UInt8MultiArray", "int32": "Int32MultiArray"}


def skeleton(model_id: str, declared: Mapping[str, Any]) -> str:
    """YAML that `inferential contract check` takes; the user puts in the robot's own topics."""
    notes = declared.get("notes")
    notes = notes if isinstance(notes, Mapping) else {}
    observation: Mapping[str, Any] = declared.get("observation", {})
    needed = {key: entry for key, entry in observation.items() if not entry.get("optional")}
    lines = [
        "# Written by `inferential model show`. The model said what stands here, but for what is",
        "# marked as a guess. Put in the robot's topics, and then:",
        "#   inferential contract check THIS_FILE",
        "robot: robot",
        "",
        "model:",
        f"  id: {_quoted(model_id)}",
        "",
        "observation:",
        _trigger(declared),
        "  keys:",
    ]
    several = sum(map(_is_joints, needed, needed.values())) > 1
    state_names = [] if several else notes.get("state_names") or []
    for key, entry in (needed or {"state": {"shape": [1]}}).items():
        lines += [f"    {_quoted(key)}:", *_key(key, entry, state_names)]
    return "\n".join([*lines, "", *_action(declared, notes)]) + "\n"


def _trigger(declared: Mapping[str, Any]) -> str:
    if declared.get("horizon") == 1:  # a model that is asked at each step
        rate = f"{{rate_hz: {_rate(declared)}}}"
        guess = "" if declared.get("control_rate_hz") else ", a guess: that of action.rate_hz"
        return f"  trigger: {rate:<23}# an answer is one action{guess}"
    return "  trigger: {runway: 0.5}          # ask again when half of the chunk is left"


def _rate(declared: Mapping[str, Any]) -> str:
    return f"{declared.get('control_rate_hz') or _GUESSED_HZ:g}"


def _key(key: str, entry: Mapping[str, Any], state_names: Sequence[str]) -> list[str]:
    dtypes = entry.get("dtype", "float32")
    dtype = dtypes if isinstance(dtypes, str) else dtypes[0]
    shape = entry.get("shape") or [None]
    topic = "".join(c if c.isalnum() else "_" for c in re.split(r"[./]", key)[-1])
    if dtype == _TEXT:
        return ["      text: what to do            # in the words of the training"]
    if dtype == "uint8" and len(shape) in (2, 3, 4):
        lines = [
            f"      topic: {topic}/image_raw     # a guess",
            "      type: sensor_msgs/msg/Image",
        ]
        if len(shape) == 4:  # of several times
            lines.append(f"      history: {{steps: {shape[0]}, every_s: 0.1}}  # every_s: a guess")
        return lines
    if _is_joints(key, entry):
        joints = joints_of(state_names)
        guess = "" if joints else "      # a guess: the model does not name the columns\n"
        return [
            "      topic: joint_states         # a guess",
            "      type: sensor_msgs/msg/JointState",
            f"{guess}      joints: {_listed(joints or _numbered('joint', shape[0] or 1))}",
            "      # unit: deg                 # if the model was trained in degrees",
        ]
    sizes = ", ".join("null" if size is None else str(size) for size in shape)
    return [
        f"      topic: {topic}               # a guess",
        f"      type: std_msgs/msg/{_ARRAYS.get(dtype, 'Float32MultiArray')}",
        f"      shape: [{sizes}]",
        *([] if dtype == "float32" else [f"      dtype: {dtype}"]),
    ]


def _is_joints(key: str, entry: Mapping[str, Any]) -> bool:
    """Whether a key looks like the joints of a robot."""
    flat = len(entry.get("shape") or [None]) == 1 and entry.get("dtype") != _TEXT
    return flat and bool(_JOINTS.search(key)) and "environment" not in key


def _action(declared: Mapping[str, Any], notes: Mapping[str, Any]) -> list[str]:
    columns = notes.get("action_columns", 1)
    names = list(declared.get("action_names") or _numbered("joint", columns))
    known = "" if declared.get("action_names") else "  # a guess: the model does not name them\n"
    guess = "" if declared.get("control_rate_hz") else "                     # a guess"
    joints = joints_of(names)
    parts, key = notes.get("action_parts"), notes.get("action_key", ACTIONS)
    lines = [
        "action:",
        *([f"  parts: {_listed(parts)}"] if parts else []),
        *([] if key == ACTIONS else [f"  key: {_quoted(key)}"]),
        f"{known}  names: {_listed(names)}",
        f"  rate_hz: {_rate(declared)}{guess}",
    ]
    if str(notes.get("rtc", "")).startswith("yes"):
        lines.append(
            "  mode: rtc                       # the model follows the chunk in execution"
        )
    lines += [
        "  outputs:",
        "    - topic: joint_trajectory_controller/joint_trajectory  # a guess",
        "      type: trajectory_msgs/msg/JointTrajectory",
    ]
    if joints != names:
        lines.append(f"      joints: {_listed(joints)}")
    return [
        *lines,
        "      # unit: deg                 # if the model was trained in degrees",
        "      # limits: urdf              # or pairs, such as [-1.0, 1.0]; and max_step",
    ]


def _numbered(name: str, count: int) -> list[str]:
    return [f"{name}_{at}" for at in range(1, count + 1)]


def _quoted(text: str) -> str:
    """A text as JSON has it, which YAML reads as well; plain where it is a simple word."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else json.dumps(text)


def _listed(names: Sequence[str]) -> str:
    """In brackets, on several lines where one would be long."""
    lines = [""]
    for name in map(_quoted, names):
        if lines[-1] and len(lines[-1]) + len(name) > _WIDTH:
            lines.append("")
        lines[-1] += f"{name}, "
    return "[" + "\n          ".join(line.rstrip() for line in lines).removesuffix(",") + "]"
