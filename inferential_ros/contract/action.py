"""The `action` section of a contract: how a chunk is executed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inferential_ros.contract.execution import KEYS as EXECUTION_KEYS
from inferential_ros.contract.execution import read_execution
from inferential_ros.contract.geometry import KEYS as GEOMETRY_KEYS
from inferential_ros.contract.geometry import Geometry, groups_of, read_geometry
from inferential_ros.contract.output import read_output
from inferential_ros.contract.relative import Named, read_relative
from inferential_ros.contract.schema import Action, Output
from inferential_ros.contract.urdf import Joint
from inferential_ros.options.errors import ContractError, Gathering
from inferential_ros.options.yaml_values import (
    Section,
    boolean,
    frequency,
    names,
    positive,
    sequence,
    text,
)

KEYS = (
    "key",
    "parts",
    "names",
    "rate_hz",
    "control_rate_hz",
    "lease_s",
    *EXECUTION_KEYS,
    *GEOMETRY_KEYS,
    "relative",
    "publish_on_arrival",
    "outputs",
)


def read_action(
    value: Any, path: str, joints: Mapping[str, Joint] | None
) -> tuple[Action, Named, tuple[str, ...]]:
    """The section, the columns that are relative, and what deserves a warning.

    joints: of the robot's URDF, None where it is not known.
    """
    section = Section(value, path)
    section.only(*KEYS)
    columns = section.get("names", names)
    rate_hz = section.get("rate_hz", frequency)
    control_rate_hz = section.get("control_rate_hz", frequency, rate_hz)
    warnings: list[str] = []
    execution = read_execution(section, columns, control_rate_hz > rate_hz)
    geometry = read_geometry(section, columns, execution.discrete)
    outputs = _outputs(section, geometry, 1.0 / control_rate_hz, joints, warnings)
    groups = groups_of(geometry, outputs, execution.discrete)
    action = Action(
        key=section.get("key", text, "actions"),
        parts=section.get("parts", names, ()),
        names=columns,
        rate_hz=rate_hz,
        control_rate_hz=control_rate_hz,
        lease_s=section.get("lease_s", positive, None),
        execution=execution._replace(geometry=groups),
        publish_on_arrival=section.get("publish_on_arrival", boolean, True),
        outputs=outputs,
    )
    relative = read_relative(section, columns)
    section.finish()
    return action, relative, tuple(warnings)


def _outputs(
    section: Section,
    geometry: Geometry,
    control_period_s: float,
    joints: Mapping[str, Joint] | None,
    warnings: list[str],
) -> tuple[Output, ...]:
    listed = section.get("outputs", sequence)
    if not listed:
        raise ContractError(section.at("outputs"), "needs at least one output")
    outputs: list[Output] = []
    wrong = Gathering()
    for index, item in enumerate(listed):
        place = f"{section.at('outputs')}[{index}]"
        with wrong.part():
            output = read_output(
                Section(item, place), geometry, control_period_s, joints, warnings
            )
            if output.topic in [other.topic for other in outputs]:
                raise ContractError(f"{place}.topic", f"{output.topic!r} is written twice")
            outputs.append(output)
    wrong.raise_any()
    return tuple(outputs)
