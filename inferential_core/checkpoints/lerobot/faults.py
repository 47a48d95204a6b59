"""What is wrong with a checkpoint: missing files or statistics.

Nothing here imports LeRobot, so the words are the same whatever its version raises.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ..folder import read_json

CONFIG = "config.json"
_PROCESSORS = ("policy_preprocessor.json", "policy_postprocessor.json")
MERGE = "merge it into its base policy with merge_and_unload(), save that, and serve the result"
_AGAIN = "copy the whole folder pretrained_model that training saved"
_IDENTITY = "IDENTITY"  # LeRobot's NormalizationMode that leaves values as they are
_ACTION = "action"


def check_type(folder: Path, known: Collection[str]) -> None:
    """ConfigError if config.json names no type of policy that this LeRobot knows."""
    kind = read_json(folder / CONFIG).get("type")
    if kind in known:
        return
    if kind is None:
        raise ConfigError(f"{folder / CONFIG} has no `type`, the type of the policy: {_AGAIN}")
    near = get_close_matches(str(kind), known, n=1)
    meant = f"did you mean {near[0]!r}?" if near else f"it knows {', '.join(sorted(known))}"
    raise ConfigError(f"{folder / CONFIG}: type: LeRobot knows no policy {kind!r}; {meant}")


def check_files(folder: Path) -> None:
    """ConfigError if weights, a processor or its statistics are missing or unreadable."""
    if not any(folder.glob("model*.safetensors")):
        raise ConfigError(f"{folder / 'model.safetensors'}, the weights, is missing: {_AGAIN}")
    for name in _PROCESSORS:
        file = folder / name
        if not file.is_file():
            raise ConfigError(
                f"{file} is missing: {_AGAIN}; an old one, which has no processors, is migrated by"
                " python -m lerobot.processor.migrate_policy_normalization --pretrained-path DIR"
            )
        steps = read_json(file).get("steps")
        if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
            raise ConfigError(f"{file} has no list `steps`: {_AGAIN}")
        for state in (step.get("state_file") for step in steps):
            if state and not (folder / state).is_file():
                raise ConfigError(
                    f"{folder / state}, the statistics that {name} names, is missing: {_AGAIN}"
                )


def unused_adapter(folder: Path) -> Iterator[str]:
    """In words, an adapter beside weights that are whole: LeRobot does not look at it."""
    for file in sorted(folder.glob("adapter_model.*")):
        yield (
            f"{file.name}, an adapter of PEFT, lies beside the weights and is not used: if the"
            f" policy was trained with it, {MERGE}"
        )


def unnormalized(before: Any, after: Any, taken: Collection[str]) -> Iterator[str]:
    """In words, which values are to be normalized and have no statistics: they stay as they are.

    before, after: LeRobot's processors. taken: the keys of an observation.
    """
    for processor, keys, done in (
        (before, taken, "normalized"),
        (after, (_ACTION,), "made the robot's units again"),
    ):
        for step in getattr(processor, "steps", ()):
            modes = getattr(step, "norm_map", None) or {}
            features = getattr(step, "features", None) or {}
            for key in (key for key in features if key in keys):
                mode = getattr(modes.get(features[key].type), "value", _IDENTITY)
                if mode != _IDENTITY and key not in (step.stats or {}):
                    yield (
                        f"the checkpoint has no statistics of {key} (mode {mode}), which is not"
                        f" {done}: save the policy with the statistics of its dataset"
                    )
