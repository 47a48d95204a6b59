"""YAML -> Contract. Everything that can be known without a robot is checked here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import inferential_ros.convert  # noqa: F401 (registers the converters)
from inferential_core.client.handle import REFUSE, RESTART
from inferential_ros.contract.action import read_action
from inferential_ros.contract.observation import read_observation
from inferential_ros.contract.plugins import load_announced, load_named
from inferential_ros.contract.relative import resolve_relative
from inferential_ros.contract.schema import ALWAYS, NEVER, WHEN_DRY, Contract, Model, Trigger
from inferential_ros.contract.urdf import parse_urdf, read_urdf
from inferential_ros.execution.modes import OPEN_LOOP
from inferential_ros.options.errors import ContractError, Gathering
from inferential_ros.options.yaml_file import located, read_yaml
from inferential_ros.options.yaml_values import Section, integer, names, one_of, positive, text


def load_contract(path: str | Path, description: str | None = None) -> Contract:
    """The contract in a file; ContractError names file, line and key that are wrong.

    description: the robot's URDF, for outputs whose limits are those of it.
    """
    try:
        return parse_contract(read_yaml(path), description, Path(path).parent)
    except ContractError as error:
        raise located(error, path) from None


def parse_contract(values: Any, description: str | None = None, folder: Path = Path()) -> Contract:
    """The contract in the values that YAML gave; files that it names are found from a folder."""
    root = Section(values, "")
    root.only("robot", "urdf", "converters", "model", "observation", "action")
    robot = root.get("robot", text, "robot")
    load_announced()
    load_named(root.get("converters", names, ()), "converters")
    joints = None if description is None else parse_urdf(description, "robot_description")
    joints = root.get(
        "urdf", lambda value, path: read_urdf(folder / text(value, path), path), joints
    )
    wrong = Gathering()
    default_runway, trigger = 0.5, Trigger()
    with wrong.part():
        action, relative, warnings = root.get(
            "action", lambda value, path: read_action(value, path, joints)
        )
        default_runway = 0.0 if action.execution.mode == OPEN_LOOP else 0.5
    with wrong.part():
        observation = root.get("observation", Section)
        keys, trigger, reference = read_observation(observation, default_runway)
    with wrong.part():
        model = root.get("model", lambda value, path: _model(value, path, trigger))
    wrong.raise_any()
    action = replace(action, relative=resolve_relative(relative, action, keys))
    warnings += tuple(
        f"{key.path}.select: {warning}"
        for key in keys
        for source in key.sources
        for warning in getattr(source.decode, "warnings", ())
    )
    heard = {source.topic: key.path for key in keys for source in key.sources}
    warnings += tuple(
        f"{output.path}.topic: the bridge publishes {output.topic} and {heard[output.topic]} reads"
        " it, so the model observes its own commands; is it the topic of the robot's state?"
        for output in action.outputs
        if output.topic in heard
    )
    return Contract(robot, model, trigger, keys, action, warnings, reference)


def _model(value: Any, path: str, trigger: Trigger) -> Model:
    section = Section(value, path)
    section.only(
        *("id", "latency_budget_ms", "priority", "supersede", "answer_timeout_s"),
        "stateful_failover",
    )
    model = Model(
        id=section.get("id", text),
        latency_budget_ms=section.get("latency_budget_ms", positive, None),
        priority=section.get("priority", integer, None),
        # Near the threshold every sample would ask again for what is already being computed.
        supersede=section.get(
            "supersede", _supersede, WHEN_DRY if trigger.runway is not None else ALWAYS
        ),
        answer_timeout_s=section.get("answer_timeout_s", positive, 2.0),
        stateful_failover=section.get("stateful_failover", one_of(RESTART, REFUSE), RESTART),
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
