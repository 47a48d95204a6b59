"""One entry of `action.outputs`: which columns of the chunk go to which topic, and how."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from inferential_core.process.users_code import Foreign
from inferential_ros.contract.geometry import Geometry
from inferential_ros.contract.limits import (
    in_action_units,
    read_bounds,
    undeclared,
    without_rotations,
)
from inferential_ros.contract.plugins import converters_code
from inferential_ros.contract.schema import DEFAULT_FALLBACK, Output
from inferential_ros.contract.topics import read_topic
from inferential_ros.contract.urdf import Joint
from inferential_ros.convert.registry import (
    ON_CHANGE,
    ON_PLAN,
    Encode,
    OutputContext,
    OutputType,
    output_type,
)
from inferential_ros.execution.channel import (
    DECELERATE,
    DECELERATE_S,
    FALLBACKS,
    HOLD,
    POSITION,
    ZEROS,
)
from inferential_ros.options.errors import ContractError, suggestion
from inferential_ros.options.units import Conversion, read_conversion
from inferential_ros.options.yaml_values import (
    Section,
    non_negative,
    one_of,
    positive,
    sequence,
)

THRESHOLD = 0.001  # m or rad: finer than any gripper positions itself
SLICE = re.compile(r"(-?\d*):(-?\d*)")


def read_output(
    section: Section,
    geometry: Geometry,
    control_period_s: float,
    joints: Mapping[str, Joint] | None,
    warnings: list[str],
) -> Output:
    """The output; what deserves a warning although it is allowed goes to `warnings`.

    joints: of the robot's URDF, None where it is not known.
    """
    columns = geometry.columns
    topic = read_topic(section)
    if topic.action is not None and section.has("qos"):
        raise ContractError(section.at("qos"), "is for topics; an action has one of its own")
    converter = output_type(topic.type)
    kind = _kind(section, topic.type, converter)
    chosen = section.get("select", lambda v, p: _select(v, p, columns), tuple(range(len(columns))))
    selected = tuple(columns[index] for index in chosen)
    default = HOLD if converter.sent == ON_PLAN else DEFAULT_FALLBACK[kind]
    fallback = section.get("fallback", one_of(*FALLBACKS), default)
    if converter.sent != ON_PLAN:
        _warn(section, fallback, kind, warnings)
    if converter.sent == ON_PLAN and fallback != HOLD:
        raise ContractError(
            section.at("fallback"),
            f"the goal of {topic.type} is cancelled when actions run out, and the controller holds"
            " its position: hold is all it can do",
        )
    if section.has("decelerate_s") and fallback != DECELERATE:
        raise ContractError(section.at("decelerate_s"), "is for fallback: decelerate")
    conversion = read_conversion(section, selected, writing=True)
    rotations = geometry.rotations_of(chosen, section.at("select"))
    bounds = read_bounds(section, selected, kind, control_period_s, joints)
    max_step = bounds.max_step
    context = OutputContext(topic.message, selected, kind, control_period_s, rotations)
    with converters_code(section.path):
        encode = converter.make(section, context)
        quaternions = tuple(getattr(encode, "quaternions", ()))
    limits = without_rotations(section, bounds.limits, selected, rotations, quaternions)
    if kind == POSITION and joints is not None:
        declared = [columns[index] for index in geometry.continuous]
        warnings += undeclared(section, selected, joints, declared)
    output = Output(
        path=section.path,
        topic=topic.name,
        type=topic.type,
        message=topic.message,
        kind=kind,
        columns=chosen,
        names=selected,
        fallback=fallback,
        limits=in_action_units(limits, conversion),
        qos=topic.qos(section, reliable=True),
        encode=_converting(encode, conversion),
        max_step=None if max_step is None else tuple(np.abs(max_step / conversion.gain).tolist()),
        decelerate_s=section.get("decelerate_s", positive, DECELERATE_S),
        stamp=converter.stamp,
        sent=converter.sent,
        action=topic.action,
        threshold=tuple((_threshold(section, converter) / np.abs(conversion.gain)).tolist()),
        conversion=conversion,
        quaternions=quaternions,
        awaits_urdf=bounds.awaited,
    )
    section.finish()
    return output


def _kind(section: Section, type_name: str, converter: OutputType) -> str:
    if converter.kind is None and not section.has("kind"):
        section.refuse_misspelt("kind")
        raise ContractError(
            section.at("kind"),
            f"is missing: {type_name} does not say what its numbers are"
            f" ({', '.join(converter.kinds)}), and a robot that runs out of actions must know",
        )
    return section.get("kind", one_of(*converter.kinds), converter.kind or "")


def _select(value: Any, path: str, columns: tuple[str, ...]) -> tuple[int, ...]:
    """Columns by name, by index from 0, or as a slice such as '0:7'."""
    if isinstance(value, str):
        found = _slice(value, path, len(columns))
    else:
        found = tuple(
            _column(item, f"{path}[{index}]", columns)
            for index, item in enumerate(sequence(value, path))
        )
    if not found:
        raise ContractError(path, "selects no column")
    for index, column in enumerate(found):
        if column in found[:index]:
            raise ContractError(f"{path}[{index}]", f"{columns[column]!r} is selected twice")
    return found


def _slice(value: str, path: str, count: int) -> tuple[int, ...]:
    match = SLICE.fullmatch(value)
    if match is None:
        raise ContractError(
            path, f"expected a list of actions, or a slice such as '0:7': {value!r}"
        )
    start, stop = (int(end) if end else None for end in match.groups())
    if any(end is not None and abs(end) > count for end in (start, stop)):
        raise ContractError(path, f"{value!r} goes beyond the {count} action.names")
    return tuple(range(count)[start:stop])


def _column(item: Any, path: str, columns: tuple[str, ...]) -> int:
    if isinstance(item, int) and not isinstance(item, bool):
        if str(item) in columns:
            raise ContractError(
                path,
                f"{item} may be the action of that name or the column of that index, from 0: write"
                f" '{item}' in quotes for the action, or a slice such as '{item}:{item + 1}' for"
                " the column",
            )
        if not 0 <= item < len(columns):
            raise ContractError(path, f"no column {item}: action.names has {len(columns)}")
        return item
    if item not in columns:
        raise ContractError(
            path, f"no action {item!r} in action.names; {suggestion(item, columns)}"
        )
    return columns.index(item)


def _warn(section: Section, fallback: str, kind: str, warnings: list[str]) -> None:
    if fallback == ZEROS and kind == POSITION:
        warnings.append(
            f"{section.at('fallback')}: zeros under position control drives every joint to its"
            " zero pose when actions run out; hold keeps it where it is"
        )
    if fallback == HOLD and kind != POSITION:
        warnings.append(
            f"{section.at('fallback')}: hold repeats the last {kind} when actions run out, so the"
            " robot keeps moving; zeros stops it"
        )


def _threshold(section: Section, converter: OutputType) -> float:
    if converter.sent != ON_CHANGE and section.has("threshold"):
        raise ContractError(section.at("threshold"), "is for actions whose goal is one position")
    return section.get("threshold", non_negative, THRESHOLD)


class Converting:
    """Encodes values in the units of the actions by an encoder for those of the message."""

    def __init__(self, encode: Encode, conversion: Conversion) -> None:
        self._encode: Foreign[Any] = encode
        self._conversion = conversion
        self.listens = getattr(encode, "listens", ())

    def __call__(self, values: np.ndarray) -> Any:
        return self._encode(self._conversion(np.asarray(values, dtype=np.float64)))

    def plan(self, rows: np.ndarray, times_s: Sequence[float]) -> Any:
        """A goal of several rows."""
        return self._encode.plan(self._conversion(rows), times_s)


def _converting(encode: Encode, conversion: Conversion) -> Encode:
    return encode if conversion.trivial else Converting(encode, conversion)
