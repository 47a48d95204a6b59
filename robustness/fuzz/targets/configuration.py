"""The configuration loader: a configuration, or a ConfigError. The first byte: YAML or JSON."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

import yaml

from inferential_core import InferentialConfig
from inferential_core.config import load_config
from inferential_core.config.doors import DoorConfig
from inferential_core.errors import ConfigError
from robustness.fuzz.targets.text import mutate_yaml

SUFFIXES = (".yaml", ".json")
DEFAULTS = InferentialConfig()
WORDS = (
    *InferentialConfig.model_fields,
    *(
        key
        for section in InferentialConfig.model_fields
        for key in getattr(type(getattr(DEFAULTS, section)), "model_fields", ())
    ),
    *DoorConfig.model_fields,
)
_FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))


def seeds() -> list[bytes]:
    made = []
    tree = DEFAULTS.model_dump(mode="json")
    tree["clients"]["known"] = [{"id": "arm", "priority": 0}]
    tree["doors"] = [{"kind": "openpi", "bind": "127.0.0.1:8000", "model": "pi0"}]
    made.append(b"\0" + yaml.safe_dump(tree).encode())
    for section, values in tree.items():
        made.append(b"\1" + json.dumps({section: values}).encode())
        made.append(b"\0" + yaml.safe_dump({section: values}).encode())
    return made


def mutate(data: bytes, chance: random.Random) -> bytes:
    return data[:1] + mutate_yaml(data[1:], chance, WORDS)


def check(data: bytes) -> None:
    suffix = SUFFIXES[data[0] % 2 if data else 0]
    path = _FOLDER / f"config{suffix}"
    path.write_bytes(data[1:])
    try:
        load_config(path)
    except ConfigError as error:
        assert str(error)
