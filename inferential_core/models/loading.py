"""Models named on a command line or in a parameter: `name:=module:attribute`, where the module may
be the path of a .py file, or a checkpoint's scheme stands in its place (see `schemes`).

This module is also sent to Ray's replicas by value: it imports the standard library, `errors`,
`users_code` and `schemes`, and nothing else.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable
from typing import Any

from ..errors import ConfigError
from ..process.users_code import Foreign, Guarded, imported, users_code
from . import schemes


def load_models(specs: Iterable[str], later: Collection[str] = ()) -> dict[str, Foreign[Any]]:
    """Models by id from `name:=module:attribute` or `name:=scheme:source` (or with `=`).

    Those in `later` stay as they are written, for a process of their own to load.

    A class or a function without parameters is called to make the model; any other callable or
    object is the model itself.
    ConfigError says which part of which spec cannot be found.
    """
    models: dict[str, Any] = {}
    for spec in specs:
        name, target = _split(spec)
        if name in models:
            raise ConfigError(f"model {name!r} is given twice")
        models[name] = target if name in later else _loaded(target, spec)
    for name in later:
        if name not in models:
            raise ConfigError(f"model {name!r} is none of {sorted(models)}")
    return models


def targets(specs: Iterable[str]) -> dict[str, str]:
    """What `load_models` would load, not loaded, by name; ConfigError likewise."""
    found: dict[str, str] = {}
    for spec in specs:
        name, target = _split(spec)
        if name in found:
            raise ConfigError(f"model {name!r} is given twice")
        found[name] = target
    return found


def load_model(target: str) -> Foreign[Any]:
    """The model that a text names, as `load_models` makes it; ConfigError likewise."""
    if ":" not in target:
        raise ConfigError(
            f"model {target!r}: write module:attribute, or scheme:source"
            f"{schemes.suggested(target)}"
        )
    return _loaded(target, target)


def made(found: Foreign[Any], spec: str = "") -> Foreign[Any]:
    """The model itself, where `found` is a class or a function without parameters: its answer."""
    with users_code(f"model {spec!r}" if spec else "making the model"):
        return found() if inspect.isclass(found) or _is_factory(found) else found


def _loaded(target: str, spec: str) -> Foreign[Any]:
    checkpoint = schemes.read(target)
    if checkpoint is not None:
        return schemes.load(checkpoint)
    return made(_resolve(spec, target), spec)


def _split(spec: str) -> tuple[str, str]:
    separator = ":=" if ":=" in spec else "="
    name, found, target = spec.partition(separator)
    if not found or not name.strip() or ":" not in target:
        raise ConfigError(
            f"model {spec!r}: write name=module:attribute, or name=scheme:source"
            f"{schemes.suggested(target.strip())}"
        )
    return name.strip(), target.strip()


def _resolve(spec: str, target: str) -> Foreign[Any]:
    module_name, _, path = target.partition(":")
    with users_code(f"model {spec!r}: cannot import {module_name!r}"):
        try:
            found: Foreign[Any] = imported(module_name)
        except ConfigError as error:
            raise ConfigError(f"{error}{schemes.suggested(module_name)}") from error
    with users_code(f"model {spec!r}"):
        for part in path.split("."):
            if not hasattr(found, part):
                raise ConfigError(f"{module_name!r} has no {path!r}")
            found = getattr(found, part)
    return found


def _is_factory(found: Guarded[Any]) -> bool:
    """A function that takes nothing cannot be a model: models take an observation."""
    return inspect.isfunction(found) and not inspect.signature(found).parameters
