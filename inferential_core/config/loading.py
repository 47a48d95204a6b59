"""Reads a configuration from a file and from the environment, which replaces what the file says.

What is wrong in it is said line by line: file and line, key, what is given, what is allowed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from ..errors import ConfigError
from ..suggestion import nearest
from . import environment, keys
from .schema import InferentialConfig
from .yaml_source import Keys, Places, dotted, line, place, read

_SHOWN = 60  # characters of a wrong value


class Loaded(NamedTuple):
    """A configuration, and where each value that is no default comes from."""

    config: InferentialConfig
    places: Places


def load_config(
    path: str | Path | None = None, environ: Mapping[str, str] | None = None
) -> InferentialConfig:
    """The configuration in a YAML (.yaml, .yml) or JSON file, or the defaults without one.

    environ: what may override it (`environment`), by default that of the process. ConfigError
    says all that is wrong, one mistake a line.
    """
    return load(path, environ).config


def load(path: str | Path | None = None, environ: Mapping[str, str] | None = None) -> Loaded:
    """As `load_config`, with the origin of each value."""
    data, places = read(Path(path)) if path is not None else ({}, {})
    outside = environment.apply(os.environ if environ is None else environ, data, places)
    mistakes = list(_unknown(data, ()))
    try:
        config = InferentialConfig(**data)
    except ValidationError as error:
        mistakes += explained(error)
    if mistakes or outside:
        mistakes.sort(key=lambda each: line(each[0], places))
        told = [f"{place(at, places) or path}: {dotted(at)}: {why}" for at, why in mistakes]
        raise ConfigError("\n".join(told + outside))
    return Loaded(config, places)


def describe(error: ValidationError, within: Keys = ()) -> str:
    """A pydantic error in one line: keys, what is given, what is allowed.

    within: where in the whole tree the section stands that was validated.
    """
    told = (f"{dotted(at)}: {why}" for at, why in explained(error, within))
    return "; ".join(told)


def explained(error: ValidationError, within: Keys = ()) -> Iterator[tuple[Keys, str]]:
    """Each key that is wrong, once, and what is wrong with it."""
    seen = set()
    for item in error.errors():
        at = (*within, *item["loc"])
        while at and keys.at(at) is None and item["type"] != "missing":
            at = at[:-1]  # which of several types was tried, or "[key]" for a key that is wrong
        if at not in seen:
            seen.add(at)
            yield at, _why(at, item)


def _why(at: Keys, item: Any) -> str:
    if item["type"] == "value_error":
        return str(item["msg"]).removeprefix("Value error, ")
    if item["loc"][-1:] == ("[key]",):
        return "this key is not a text: put it in quotes"
    node = keys.at(at)
    may_be = keys.allowed(node) if node else ""
    if item["type"] == "missing":
        return f"is missing: {may_be}"
    given = repr(item["input"])
    if len(given) > _SHOWN:
        given = given[:_SHOWN] + "..."
    return f"{given} is not {may_be}" if may_be else f"{item['msg']} (given: {given})"


def _unknown(data: Any, at: Keys) -> Iterator[tuple[Keys, str]]:
    """Keys that do not exist; they are taken out of `data`."""
    if isinstance(data, dict):
        names = keys.known(at)
        for key in list(data):
            if names is not None and key not in names:
                yield (*at, key), f"unknown key: {nearest(str(key), names)}"
                del data[key]
            elif names is not None:
                yield from _unknown(data[key], (*at, key))
    elif isinstance(data, list) and (keys.at(at) or {}).get("type") == "array":
        for number, value in enumerate(data):
            yield from _unknown(value, (*at, number))
