"""The walking policy of examples/go1_policy.py, fed with what a robot's topics carry."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[3] / "examples"))

from go1_policy import Go1Policy

STEPS = 4  # the same target for so many steps: what to do if the next answer is late
FORWARD = np.array([0.6, 0.0, 0.0], np.float32)  # m/s, m/s, rad/s


class Go1FromTopics(Go1Policy):
    """Makes the direction of gravity of an orientation; the rest comes as the policy wants it."""

    specification: dict[str, Any] = {}

    def infer_batch(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        answers = super().infer_batch([self._prepared(obs) for obs in batch])
        return [{"actions": np.tile(answer["actions"], (STEPS, 1))} for answer in answers]

    def _prepared(self, obs: dict[str, Any]) -> dict[str, Any]:
        values = {key: np.asarray(value, np.float32) for key, value in obs.items()}
        values["gravity"] = down_in_the_trunk(values.pop("orientation"))
        return values | {"command": FORWARD}


def down_in_the_trunk(orientation: np.ndarray) -> np.ndarray:
    """Where down is, seen from a trunk with this orientation (x, y, z, w)."""
    x, y, z, w = orientation / np.linalg.norm(orientation)
    up = [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]
    return -np.array(up, np.float32)
