"""YAML -> Contract. Everything that can be known without a robot is checked here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import inferential_ros.convert  # noqa: F401 (registers the converters)
from inferential_ros.contract.action import read_action
from inferential_ros.contract.errors import ContractError, suggestion
from inferential_ros.contract.reading import (
    Section,
    fraction,
    integer,
    names,
    one_of,
    positive,
    text,
)
from inferential_ros.contract.schema import (
    ALWAYS,
    DELAY,
    LEFT_OVER,
    LEFT_OVER_STEPS,
    NEVER,
    WHEN_DRY,
    Contract,
    Model,
    ObservationKey,
    Trigger,
)
from inferential_ros.contract.topics import read_topic
from inferential_ros.contract.yaml_file import read_yaml
from inferential_ros.convert.registry import input_types

TRIGGERS = ("on", "runway", "rate_hz")
RESERVED_KEYS = (
    *("urgency", "steps_remaining", "priority"),  # arguments of observe()
    *(LEFT_OVER, LEFT_OVER_STEPS, DELAY),
)


def load_contract(path: str | Path) -> Contract:
    """The contract in a file; ContractError says where it is wrong."""
    return parse_contract(read_yaml(path))


def parse_contract(values: Any) -> Contract:
    """The contract in the values that YAML gave."""
    root = Section(values, "")
    root.only("robot", "model", "observation", "action")
    robot = root.get("robot", text, "robot")
    observation = root.get("observation", Section)
    observation.only("keys", "trigger")
    keys = _keys(observation.get("keys", Section))
    trigger = _trigger(observation.get("trigger", Section), keys)
    observation.finish()
    model = root.get("model", lambda value, path: _model(value, path, trigger))
    action, warnings = root.get("action", read_action)
    root.finish()
    return Contract(robot, model, trigger, keys, action, warnings)


def _model(value: Any, path: str, trigger: Trigger) -> Model:
    section = Section(value, path)
    section.only("id", "latency_budget_ms", "priority", "supersede", "answer_timeout_s")
    model = Model(
        id=section.get("id", text),
        latency_budget_ms=section.get("latency_budget_ms", positive, None),
        priority=section.get("priority", integer, None),
        # Near the threshold every sample would ask again for what is already being computed.
        supersede=section.get(
            "supersede", _supersede, WHEN_DRY if trigger.runway is not None else ALWAYS
        ),
        answer_timeout_s=section.get("answer_timeout_s", positive, 2.0),
    )
    section.finish()
    return model


def _supersede(value: Any, path: str) -> str:
    """true and false, which YAML makes of words too, or when_dry."""
    if isinstance(value, bool):
        return ALWAYS if value else NEVER
    if value != WHEN_DRY:
        raise ContractError(path, f"expected true, false or {WHEN_DRY}, got {value!r}")
    return WHEN_DRY


def _trigger(section: Section, keys: tuple[ObservationKey, ...]) -> Trigger:
    given = [name for name in TRIGGERS if section.has(name)]
    section.finish()
    if len(given) != 1:
        raise ContractError(section.path, f"expected exactly one of {', '.join(TRIGGERS)}")
    on = section.get("on", _one_or_more, ())
    topics = [key.name for key in keys if key.text is None]
    for index, name in enumerate(on):
        if name not in topics:
            path = section.at("on") if len(on) == 1 else f"{section.at('on')}[{index}]"
            raise ContractError(path, f"no topic key {name!r}; {suggestion(name, topics)}")
    return Trigger(
        on=on,
        runway=section.get("runway", fraction, None),
        rate_hz=section.get("rate_hz", positive, None),
    )


def _one_or_more(value: Any, path: str) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else names(value, path)


def _keys(section: Section) -> tuple[ObservationKey, ...]:
    keys = tuple(_key(name, value, path) for name, value, path in section.items())
    if not any(key.text is None for key in keys):
        raise ContractError(section.path, "needs at least one key with a topic")
    return keys


def _key(name: str, value: Any, path: str) -> ObservationKey:
    if name in RESERVED_KEYS:
        raise ContractError(path, f"{name!r} has a meaning of its own and cannot name a key")
    section = Section(value, path)
    if section.has("text"):
        constant = section.get("text", text)
        section.finish()
        return ObservationKey(name, path, text=constant)
    known = input_types()
    topic = read_topic(section, known, "read")
    converter = known[topic.type]
    has_header = "header" in topic.message.get_fields_and_field_types()
    key = ObservationKey(
        name,
        path,
        topic=topic.name,
        type=topic.type,
        message=topic.message,
        qos=topic.qos(section, reliable=converter.reliable),
        stamp=section.get("stamp", one_of("header", "receive"), None)
        or ("header" if has_header else "receive"),
        max_age_s=section.get("max_age_s", positive, converter.max_age_s),
        decode=converter.make(section, topic.message),
    )
    section.get("align", one_of("hold"), "hold")
    if key.stamp == "header" and not has_header:
        raise ContractError(section.at("stamp"), f"{topic.type} has no header; use receive")
    section.finish()
    return key
