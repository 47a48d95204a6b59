"""The keys `limits` and `max_step` of an output, of the contract's own or of the robot's URDF."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inferential_ros.contract.schema import EFFORT, VELOCITY, Limits
from inferential_ros.contract.urdf import ENDLESS, Joint
from inferential_ros.execution.channel import POSITION
from inferential_ros.execution.rotations import Rotation
from inferential_ros.options.errors import ContractError, suggestion
from inferential_ros.options.units import Conversion
from inferential_ros.options.yaml_values import (
    Section,
    by_name,
    names,
    number,
    positive,
    sequence,
)

FREE = (-math.inf, math.inf)
URDF = "urdf"
Pairs = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Bounds:
    """Of each column of an output, in the units of its messages; max_step: None without any.

    awaited: they are those of a URDF that is not known yet.
    """

    limits: Pairs
    max_step: tuple[float, ...] | None
    awaited: bool = False


def read_bounds(
    section: Section,
    columns: tuple[str, ...],
    kind: str,
    control_period_s: float,
    joints: Mapping[str, Joint] | None,
) -> Bounds:
    """What `limits` and `max_step` say; joints: of the URDF, None where it is not known."""
    free = (FREE,) * len(columns)
    max_step = section.get("max_step", by_name(positive, columns, math.inf), None)
    if section.get("limits", lambda value, _: value, None) != URDF:
        return Bounds(section.get("limits", by_name(_pair, columns, FREE), free), max_step)
    if joints is None:
        return Bounds(free, max_step, awaited=True)
    path = section.at("limits")
    found = [_joint(name, joints, path) for name in section.get("joints", names, columns)]
    if len(found) != len(columns):
        raise ContractError(
            section.at("joints"), f"{len(found)} joints for {len(columns)} actions"
        )
    limits = tuple(_limits(name, joint, kind, path) for name, joint in found)
    if kind == POSITION and max_step is None:
        steps = [_most(name, joint, "velocity", path) * control_period_s for name, joint in found]
        max_step = tuple(steps)
    return Bounds(limits, max_step)


def undeclared(
    section: Section, columns: Sequence[str], joints: Mapping[str, Joint], declared: Sequence[str]
) -> Iterator[str]:
    """Warnings of columns that are endless in the URDF, and plain numbers in the contract."""
    for column, name in zip(columns, section.get("joints", names, tuple(columns))):
        if name in joints and joints[name].type == ENDLESS and column not in declared:
            yield (
                f"{section.path}: the joint {name!r} is continuous in the URDF; name {column!r}"
                " under action.continuous, or it goes the long way round from 3.1 to -3.1 rad"
            )


def without_rotations(
    section: Section,
    limits: Pairs,
    names: tuple[str, ...],
    rotations: tuple[Rotation, ...],
    quaternions: tuple[tuple[int, ...], ...],
) -> Pairs:
    """A pair for all columns leaves the parts of rotations out; one of their own is refused."""
    parts = {
        column for rotation in rotations if not rotation.limitable for column in rotation.columns
    }
    parts |= {column for columns in quaternions for column in columns}
    for column in sorted(parts):
        if isinstance(section.get("limits", lambda value, _: value, None), Mapping):
            if limits[column] != FREE:
                raise ContractError(
                    f"{section.at('limits')}.{names[column]}",
                    "is part of a rotation, which has no limits of its own; max_step is the"
                    " largest angle in rad from tick to tick",
                )
    return tuple(FREE if column in parts else pair for column, pair in enumerate(limits))


def in_action_units(pairs: Pairs, conversion: Conversion) -> Limits:
    """The limits of a message in the units of the actions."""
    ends = [conversion.undo(end) for end in zip(*pairs)]
    return Limits(
        tuple(np.minimum(*ends).tolist()),  # a negative scale turns them round
        tuple(np.maximum(*ends).tolist()),
    )


def _joint(name: str, joints: Mapping[str, Joint], path: str) -> tuple[str, Joint]:
    if name not in joints:
        raise ContractError(
            path, f"the URDF has no joint {name!r} that moves; {suggestion(name, joints)}"
        )
    return name, joints[name]


def _limits(name: str, joint: Joint, kind: str, path: str) -> tuple[float, float]:
    if kind in (VELOCITY, EFFORT):
        most = _most(name, joint, kind, path)
        return -most, most
    if joint.type == ENDLESS:
        return FREE
    if joint.lower is None or joint.upper is None or joint.lower >= joint.upper:
        raise ContractError(
            path,
            f"the URDF's joint {name!r} goes from {joint.lower} to {joint.upper}: write limits in"
            " numbers here",
        )
    return joint.lower, joint.upper


def _most(name: str, joint: Joint, what: str, path: str) -> float:
    """The largest velocity or effort; endless where the URDF says nothing."""
    most: float | None = getattr(joint, what)
    if most is None:
        return math.inf
    if most <= 0.0:
        raise ContractError(
            path,
            f"the URDF's joint {name!r} has a {what} of {most:g}, and could not move: write limits"
            " and max_step in numbers here",
        )
    return most


def _pair(value: Any, path: str) -> tuple[float, float]:
    items = sequence(value, path)
    if len(items) != 2:
        raise ContractError(path, f"expected [lower, upper], got {len(items)} values")
    lower, upper = number(items[0], f"{path}[0]"), number(items[1], f"{path}[1]")
    if lower > upper:
        raise ContractError(path, f"lower {lower} is greater than upper {upper}")
    return lower, upper
