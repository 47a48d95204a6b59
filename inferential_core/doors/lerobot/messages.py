"""What a LeRobot robot says: which model it wants, and what it observes.

They are the pickled dataclasses RemotePolicyConfig and TimedObservation of LeRobot 0.3.3 to 0.6.1
(async_inference/helpers.py). Observations become what LeRobot's policies take:
`observation.state` of the motors, `observation.images.NAME` of each camera, and the `task`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...errors import RejectedError
from ...wire.images import Buffer
from .arrays import array_of, is_array
from .pickled import Record, read

_IMAGES = "observation.images."
_MOST_STEPS = 2**31 - 1  # timesteps and lengths of chunks
_MOST_SIDE = 65_535  # of an image
_MOST_TEXT = 255  # characters of a name


@dataclass(frozen=True, slots=True)
class Setup:
    """What a robot wants when it begins."""

    module: str  # where its LeRobot keeps the dataclasses of these messages
    model: str  # its `pretrained_name_or_path`
    actions_per_chunk: int
    motors: Mapping[str, tuple[str, ...]]  # by key of the model: names of its values, in order
    cameras: Mapping[str, str]  # by key of the model: the robot's camera
    sample: Mapping[
        str, Any
    ]  # an observation as announced, of zeros; empty where that is not known


class Moment(NamedTuple):
    """Where a robot was when it observed."""

    timestamp: float  # seconds, of the robot's own wall clock
    timestep: int  # of the last action that it executed, 0 before the first
    must_go: bool  # whether the robot has no action left


def read_setup(data: Buffer) -> Setup:
    """RejectedError says what is missing or wrong."""
    record = _record(data, "RemotePolicyConfig")
    fields = record.state
    chunk = _whole(fields, "actions_per_chunk", 1)
    features = fields.get("lerobot_features")
    renamed = fields.get("rename_map", {})
    if type(features) is not dict or type(renamed) is not dict:
        raise RejectedError("lerobot_features and rename_map have to be dicts")
    motors: dict[str, tuple[str, ...]] = {}
    cameras: dict[str, str] = {}
    sample: dict[str, Any] = {"task": ""}
    for key, feature in features.items():
        if not key.startswith("observation.") or type(feature) is not dict:
            continue
        name = renamed.get(key, key)
        if type(name) is not str or name in motors or name in cameras:
            raise RejectedError(f"rename_map gives {key!r} a name that is another feature's, too")
        if feature.get("dtype") in ("image", "video"):
            cameras[name] = key.removeprefix(_IMAGES)
            sample[name] = _blank(feature.get("shape"))
        elif feature.get("dtype") == "float32":
            motors[name] = _texts(key, feature.get("names"))
            sample[name] = np.zeros(len(motors[name]), np.float32)
    if any(value is None for value in sample.values()):
        sample = {}
    return Setup(record.of.module, _model(fields), chunk, motors, cameras, sample)


def read_observation(data: Buffer) -> tuple[Moment, Mapping[str, Any]]:
    """When it was made, and what its robot observed, which `as_observed` looks at.

    RejectedError says what is missing or wrong.
    """
    fields = _record(data, "TimedObservation").state
    timestamp, values = fields.get("timestamp"), fields.get("observation")
    if type(timestamp) is not float or not math.isfinite(timestamp):
        raise RejectedError("timestamp has to be a number of seconds")
    if type(values) is not dict:
        raise RejectedError("observation has to be a dict")
    must_go = fields.get("must_go", False) is True
    return Moment(timestamp, _whole(fields, "timestep", 0), must_go), values


def as_observed(setup: Setup, values: Mapping[str, Any]) -> dict[str, Any]:
    """The observation as its model takes it: float32 arrays of motors, images as they came (H x W
    x C), and the task. RejectedError names a value that is missing or is none.
    """
    observed: dict[str, Any] = {}
    for key, names in setup.motors.items():
        observed[key] = np.array([_number(values, name) for name in names], np.float32)
    for key, camera in setup.cameras.items():
        image = _value(values, camera)
        if not is_array(image):
            raise RejectedError(f"{camera!r} has to be an image, as the robot announced")
        observed[key] = array_of(camera, image)
    task = values.get("task")
    if task is not None:
        if type(task) is not str:
            raise RejectedError("'task' has to be a text")
        observed["task"] = task
    return observed


def _blank(shape: Any) -> np.ndarray | None:
    """An image of zeros, which takes no memory; None for depth, whose dtype nobody announces."""
    if type(shape) is not tuple or len(shape) != 3 or shape[2] != 3:
        return None
    if any(type(size) is not int or not 0 <= size <= _MOST_SIDE for size in shape):
        return None
    return np.broadcast_to(np.uint8(0), shape)


def _record(data: Buffer, name: str) -> Record:
    value = read(data)
    if type(value) is not Record or value.of.name != name or type(value.state) is not dict:
        raise RejectedError(f"the message is no {name}")
    return value


def _model(fields: Mapping[str, Any]) -> str:
    model = fields.get("pretrained_name_or_path")
    if type(model) is not str or not 0 < len(model) <= _MOST_TEXT:
        raise RejectedError(
            f"pretrained_name_or_path has to be a model's id of at most {_MOST_TEXT} characters"
        )
    return model


def _whole(fields: Mapping[str, Any], name: str, least: int) -> int:
    value = fields.get(name)
    if type(value) is not int or not least <= value <= _MOST_STEPS:
        raise RejectedError(f"{name} has to be a whole number from {least} to {_MOST_STEPS}")
    return value


def _texts(key: str, names: Any) -> tuple[str, ...]:
    if type(names) not in (list, tuple) or any(type(name) is not str for name in names):
        raise RejectedError(f"the names of {key!r} have to be a list of texts")
    return tuple(names)


def _value(values: Mapping[str, Any], name: str) -> Any:
    if name not in values:
        raise RejectedError(f"the observation has no {name!r}, which the robot announced")
    return values[name]


def _number(values: Mapping[str, Any], name: str) -> float:
    value = _value(values, name)
    if is_array(value):
        value = array_of(name, value)
        if value.size == 1:
            return float(value.item())
    elif type(value) in (float, int, bool):
        return float(value)
    raise RejectedError(f"{name!r} has to be a number, as the robot announced")
