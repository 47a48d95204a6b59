"""Reads the types and limits of a robot's joints from its URDF.

https://wiki.ros.org/urdf/XML/joint: positions in rad or m, velocities in rad/s or m/s, efforts in
Nm or N. A `continuous` joint has no ends, and an end that is left out of a <limit> is 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from inferential_ros.options.errors import ContractError

ENDLESS = "continuous"
MOVING = ("revolute", "prismatic", ENDLESS)


@dataclass(frozen=True)
class Joint:
    """One joint that moves; None where the URDF gives no such limit."""

    type: str
    lower: float | None = None
    upper: float | None = None
    velocity: float | None = None
    effort: float | None = None


def read_urdf(file: Path, path: str) -> Mapping[str, Joint]:
    """The joints in a file; ContractError at `path` if it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # an odd name or odd bytes, too
        raise ContractError(path, f"{str(file)!r} cannot be read: {error}") from None
    return parse_urdf(text, path)


def parse_urdf(text: str, path: str) -> Mapping[str, Joint]:
    """The joints that move, by name; ContractError at `path` if it is no URDF."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ContractError(path, f"the URDF is no XML: {error}") from None
    if root.tag != "robot":
        raise ContractError(path, f"the URDF begins with <{root.tag}>, not with <robot>")
    return {
        joint.get("name", ""): _joint(joint, path)
        for joint in root.findall("joint")
        if joint.get("type") in MOVING
    }


def _joint(joint: ElementTree.Element, path: str) -> Joint:
    limit = joint.find("limit")
    found: dict[str, float | None] = {}
    for name, unsaid in (("lower", "0"), ("upper", "0"), ("velocity", None), ("effort", None)):
        given = None if limit is None else limit.get(name, unsaid)
        try:
            found[name] = None if given is None else float(given)
        except ValueError:
            found[name] = math.nan
        value = found[name]
        if value is not None and math.isnan(value):
            raise ContractError(
                path, f"the URDF's joint {joint.get('name')!r} has {name}={given!r}: no number"
            )
    return Joint(str(joint.get("type")), **found)
