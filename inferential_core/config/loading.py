"""Read a configuration file; what is wrong in it is said with file, key and fix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import ConfigError
from .schema import InferentialConfig


def load_config(path: str | Path) -> InferentialConfig:
    """The configuration in a YAML (.yaml, .yml) or JSON file; ConfigError says what is wrong."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file: {error}") from None
    data = _parse(path, text)
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: a mapping of sections is expected, not {type(data).__name__}")
    try:
        return InferentialConfig(**data)
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe(error)}") from None
    except TypeError as error:  # a key that is no string
        raise ConfigError(f"{path}: {error}") from None


def describe(error: ValidationError) -> str:
    """A pydantic error in one line: key path, what is wrong, the value given."""
    lines = []
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"]) or "top level"
        message = item["msg"].removeprefix("Value error, ")
        given = "" if isinstance(item["input"], dict) else f" (given: {item['input']!r})"
        lines.append(f"{where}: {message}{given}")
    return "; ".join(lines)


def _parse(path: Path, text: str) -> Any:
    if path.suffix == ".json":
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"{path}: {error}") from None
    try:
        import yaml
    except ImportError:
        raise ConfigError(f"{path}: reading YAML needs PyYAML: pip install PyYAML") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {error}") from None
