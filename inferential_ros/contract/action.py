"""The `action` section of a contract: how a chunk is executed and where its columns go."""

from __future__ import annotations

import math
from typing import Any

from inferential_ros.contract.errors import ContractError, suggestion
from inferential_ros.contract.reading import (
    Section,
    boolean,
    integer,
    names,
    number,
    one_of,
    positive,
    sequence,
    text,
)
from inferential_ros.contract.schema import (
    DEFAULT_FALLBACK,
    Action,
    Limits,
    Output,
)
from inferential_ros.contract.topics import read_topic
from inferential_ros.convert.registry import OutputContext, output_types
from inferential_ros.execution.channel import (
    DECELERATE,
    DECELERATE_S,
    FALLBACKS,
    HOLD,
    POSITION,
    ZEROS,
)
from inferential_ros.execution.modes import (
    ENSEMBLE_M,
    MODES,
    OPEN_LOOP,
    QUEUE,
    TEMPORAL_ENSEMBLE,
    Execution,
)
from inferential_ros.execution.overlap import SHARE_OF_OLD

# Of one mode only, which `mode` alone would silently ignore in another.
MODE_OPTIONS = {
    "overlap": QUEUE,
    "execution_horizon": OPEN_LOOP,
    "temporal_ensemble_coeff": TEMPORAL_ENSEMBLE,
}
KEYS = (
    "key",
    "names",
    "rate_hz",
    "control_rate_hz",
    "lease_s",
    "mode",
    *MODE_OPTIONS,
    "discrete",
    "interpolate",
    "publish_on_arrival",
    "outputs",
)


def read_action(value: Any, path: str) -> tuple[Action, tuple[str, ...]]:
    """The section, and what deserves a warning although it is allowed."""
    section = Section(value, path)
    section.only(*KEYS)
    columns = section.get("names", names)
    rate_hz = section.get("rate_hz", positive)
    control_rate_hz = section.get("control_rate_hz", positive, rate_hz)
    listed = section.get("outputs", sequence)
    if not listed:
        raise ContractError(section.at("outputs"), "needs at least one output")
    warnings: list[str] = []
    outputs = []
    for index, item in enumerate(listed):
        place = f"{section.at('outputs')}[{index}]"
        outputs.append(_output(Section(item, place), columns, 1.0 / control_rate_hz, warnings))
        if outputs[-1].topic in [other.topic for other in outputs[:-1]]:
            raise ContractError(f"{place}.topic", f"{outputs[-1].topic!r} is written twice")
    action = Action(
        key=section.get("key", text, "actions"),
        names=columns,
        rate_hz=rate_hz,
        control_rate_hz=control_rate_hz,
        lease_s=section.get("lease_s", positive, None),
        execution=_execution(section, columns, control_rate_hz > rate_hz),
        publish_on_arrival=section.get("publish_on_arrival", boolean, True),
        outputs=tuple(outputs),
    )
    section.finish()
    return action, tuple(warnings)


def _execution(section: Section, columns: tuple[str, ...], faster: bool) -> Execution:
    """How chunks are executed; faster: the outputs are published more often than steps are due."""
    mode = section.get("mode", one_of(*MODES), QUEUE)
    for key, its_mode in MODE_OPTIONS.items():
        if section.has(key) and mode != its_mode:
            raise ContractError(section.at(key), f"belongs to mode {its_mode}, not to {mode}")
    discrete = section.get("discrete", lambda v, p: among(v, p, columns), ())
    return Execution(
        mode=mode,
        overlap=section.get("overlap", one_of(*SHARE_OF_OLD), "latest"),
        execution_horizon=section.get("execution_horizon", count, None),
        temporal_ensemble_coeff=section.get("temporal_ensemble_coeff", number, ENSEMBLE_M),
        discrete=tuple(columns.index(name) for name in discrete),
        interpolate=section.get("interpolate", boolean, True) and faster,
    )


def among(value: Any, path: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Names, each one of those known."""
    found = names(value, path)
    for index, name in enumerate(found):
        if name not in known:
            raise ContractError(
                f"{path}[{index}]",
                f"no action {name!r} in action.names; {suggestion(name, known)}",
            )
    return found


def count(value: Any, path: str) -> int:
    """A whole number of at least 1."""
    found = integer(value, path)
    if found < 1:
        raise ContractError(path, "must be at least 1")
    return found


def _output(
    section: Section, columns: tuple[str, ...], control_period_s: float, warnings: list[str]
) -> Output:
    known = output_types()
    topic = read_topic(section, known, "written")
    converter = known[topic.type]
    if converter.kind is None and not section.has("kind"):
        section.refuse_misspelt("kind")
        choices = ", ".join(converter.kinds)
        raise ContractError(
            section.at("kind"),
            f"is missing: {topic.type} does not say what its numbers are ({choices}),"
            " and a robot that runs out of actions must know",
        )
    kind = section.get("kind", one_of(*converter.kinds), converter.kind or "")
    selected = section.get("select", lambda v, p: among(v, p, columns), columns)
    fallback = section.get("fallback", one_of(*FALLBACKS), DEFAULT_FALLBACK[kind])
    if section.has("decelerate_s") and fallback != DECELERATE:
        raise ContractError(
            section.at("decelerate_s"), f"belongs to fallback {DECELERATE}, not to {fallback}"
        )
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
    limits = section.get("limits", lambda v, p: _limits(v, p, selected), _free(selected))
    context = OutputContext(topic.message, selected, kind, control_period_s)
    output = Output(
        path=section.path,
        topic=topic.name,
        type=topic.type,
        message=topic.message,
        kind=kind,
        columns=tuple(columns.index(name) for name in selected),
        names=selected,
        fallback=fallback,
        limits=limits,
        qos=topic.qos(section, reliable=True),
        encode=converter.make(section, context),
        max_step=section.get("max_step", lambda v, p: _steps(v, p, selected), None),
        decelerate_s=section.get("decelerate_s", positive, DECELERATE_S),
    )
    section.finish()
    return output


def _free(selected: tuple[str, ...]) -> Limits:
    return Limits((-math.inf,) * len(selected), (math.inf,) * len(selected))


def _limits(value: Any, path: str, selected: tuple[str, ...]) -> Limits:
    """[lower, upper] for all of them, or a mapping from a name to its own pair."""
    if isinstance(value, list):
        pair = _pair(value, path)
        return Limits((pair[0],) * len(selected), (pair[1],) * len(selected))
    pairs = {name: (-math.inf, math.inf) for name in selected}
    for name, item, place in Section(value, path).items():
        if name not in pairs:
            raise ContractError(place, f"no such action here; {suggestion(name, selected)}")
        pairs[name] = _pair(item, place)
    lower, upper = zip(*pairs.values())
    return Limits(tuple(lower), tuple(upper))


def _steps(value: Any, path: str, selected: tuple[str, ...]) -> tuple[float, ...]:
    """One largest step for all, or a mapping from a name to its own; the others are free."""
    if not isinstance(value, dict):
        return (positive(value, path),) * len(selected)
    steps = dict.fromkeys(selected, math.inf)
    for name, item, place in Section(value, path).items():
        if name not in steps:
            raise ContractError(place, f"no such action here; {suggestion(name, selected)}")
        steps[name] = positive(item, place)
    return tuple(steps.values())


def _pair(value: Any, path: str) -> tuple[float, float]:
    items = sequence(value, path)
    if len(items) != 2:
        raise ContractError(path, f"expected [lower, upper], got {len(items)} values")
    lower, upper = number(items[0], f"{path}[0]"), number(items[1], f"{path}[1]")
    if lower > upper:
        raise ContractError(path, f"lower {lower} is greater than upper {upper}")
    return lower, upper
