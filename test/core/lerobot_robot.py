"""What a LeRobot robot sends, pickled by Python's own pickle from classes of the same names.

No LeRobot is needed: a pickle only names its classes, and these stand in for them under the names
of their modules. The real ones are in test/lerobot.
"""

from __future__ import annotations

import contextlib
import pickle
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

HELPERS = "lerobot.async_inference.helpers"


@dataclass
class RemotePolicyConfig:
    """As in LeRobot 0.6.1."""

    policy_type: str
    pretrained_name_or_path: str
    lerobot_features: dict[str, Any]
    actions_per_chunk: int
    device: str = "cpu"
    rename_map: dict[str, str] = field(default_factory=dict)


@dataclass
class TimedObservation:
    """As in LeRobot 0.6.1."""

    timestamp: float
    timestep: int
    observation: dict[str, Any]
    must_go: bool = False


@dataclass
class TimedAction:
    """As in LeRobot 0.6.1, with whatever `torch.tensor` is here as its action."""

    timestamp: float
    timestep: int
    action: Any


FEATURES = {
    "observation.state": {
        "dtype": "float32",
        "shape": (2,),
        "names": ["shoulder.pos", "gripper.pos"],
    },
    "observation.images.front": {
        "dtype": "image",
        "shape": (4, 6, 3),
        "names": ["height", "width", "channels"],
        "info": {"is_depth_map": False},
    },
}


@contextlib.contextmanager
def modules(helpers: str = HELPERS) -> Iterator[None]:
    """While pickle looks for LeRobot and torch, it finds the stand-ins."""
    made = {name: types.ModuleType(name) for name in (*_parents(helpers), "torch")}
    module = made[helpers]
    before = {name: sys.modules.get(name) for name in made}
    for cls in (RemotePolicyConfig, TimedObservation, TimedAction):
        cls.__module__ = helpers
        setattr(module, cls.__name__, cls)
    made["torch"].tensor = lambda numbers: np.array(numbers, np.float32)
    sys.modules.update(made)
    try:
        yield
    finally:
        for name, found in before.items():
            sys.modules.pop(name)
            if found is not None:
                sys.modules[name] = found


def _parents(module: str) -> list[str]:
    names = module.split(".")
    return [".".join(names[:length]) for length in range(1, len(names) + 1)]


def dumps(value: Any, protocol: int = 4, helpers: str = HELPERS) -> bytes:
    """As the robot's pickle writes it."""
    with modules(helpers):
        return pickle.dumps(value, protocol)


def loads(data: bytes, helpers: str = HELPERS) -> Any:
    """As the robot reads an answer."""
    with modules(helpers):
        return pickle.loads(data)


def setup(model: str = "policy", features: Any = FEATURES, chunk: int = 10, **more: Any) -> bytes:
    """The message with which a robot begins."""
    return dumps(RemotePolicyConfig("act", model, features, chunk, **more))


def raw_observation(**values: Any) -> dict[str, Any]:
    """What the robot's `get_observation` gives, and the task."""
    image = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    plain = {"shoulder.pos": 1.5, "gripper.pos": np.float32(0.25), "front": image, "task": "pick"}
    return {**plain, **values}


def observation(step: int = 0, at: float = 100.0, must_go: bool = False, **values: Any) -> bytes:
    """The message that is sent at one step."""
    return dumps(TimedObservation(at, step, raw_observation(**values), must_go))
