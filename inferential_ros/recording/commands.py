"""Compares the recorded commands with those that a model would have given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inferential_ros.contract.schema import Output

TRAJECTORY_FIELDS = {"position": "positions", "velocity": "velocities", "effort": "effort"}
AXES = ("x", "y", "z")


def named_values(message: Any, output: Output) -> dict[str, float]:
    """The numbers of a command by joint, action or axis; empty where they cannot be named."""
    if hasattr(message, "points"):
        if not message.points:
            return {}
        values = getattr(message.points[0], TRAJECTORY_FIELDS.get(output.kind, "positions"))
        return dict(zip(message.joint_names, map(float, values)))
    if hasattr(message, "name") and hasattr(message, "position"):
        values = getattr(message, output.kind if output.kind != "twist" else "position")
        return dict(zip(message.name, map(float, values)))
    if hasattr(message, "layout"):
        return dict(zip(output.names, map(float, message.data)))
    twist = getattr(message, "twist", message)
    if hasattr(twist, "linear") and hasattr(twist, "angular"):
        return {
            f"{part}.{axis}": float(getattr(getattr(twist, part), axis))
            for part in ("linear", "angular")
            for axis in AXES
        }
    return {}


@dataclass
class Difference:
    """Published minus recorded, by name; in the units of the messages."""

    errors: dict[str, list[float]] = field(default_factory=dict)
    compared: int = 0
    unanswered: int = 0  # commands recorded while nothing would have been published

    def add(self, recorded: dict[str, float], published: dict[str, float] | None) -> None:
        """One recorded command, and what would have been published then (None: nothing)."""
        if published is None:
            self.unanswered += 1
            return
        common = recorded.keys() & published.keys()
        self.compared += bool(common)
        for name in common:
            self.errors.setdefault(name, []).append(published[name] - recorded[name])

    def summary(self) -> dict[str, dict[str, float]]:
        """Mean absolute, root mean square and largest difference by name, and of `all`."""
        every = {name: np.array(values) for name, values in sorted(self.errors.items())}
        if not every:
            return {}
        every["all"] = np.concatenate(list(every.values()))
        return {
            name: {
                "mean_abs": float(np.abs(errors).mean()),
                "rms": float(np.sqrt((errors**2).mean())),
                "max_abs": float(np.abs(errors).max()),
            }
            for name, errors in every.items()
        }
