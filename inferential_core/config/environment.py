"""Reads settings from the environment: INFERENTIAL_SCHEDULING__MAX_BATCH_SIZE=16.

The name is the key in upper case with two underscores for each dot. Texts, numbers and true or
false are written as they are, lists and mappings as JSON; an empty one counts as not set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..suggestion import nearest
from .keys import all_keys
from .yaml_source import Places

PREFIX = "INFERENTIAL_"


def apply(environ: Mapping[str, str], data: dict[str, Any], places: Places) -> list[str]:
    """Put what the environment says over what a file said; returns what is wrong with it."""
    mistakes = []
    names = {key.variable: key.path for key in all_keys() if "*" not in key.path}
    meant = {name.replace("_", ""): name for name in names}
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX) or not text:
            continue
        path = names.get(name)
        if path is None:
            known = meant.get(name.upper().replace("_", ""))
            if "__" in name or known:
                hint = f"did you mean {known!r}?" if known else nearest(name, names)
                mistakes.append(f"{name} (environment): no such setting: {hint}")
            continue  # something else that begins alike
        try:
            _put(data, path, json.loads(text) if text[0] in "[{" else text)
        except json.JSONDecodeError as error:
            mistakes.append(f"{name} (environment): this is no JSON: {error}")
            continue
        for stale in [each for each in places if each[: len(path)] == path]:
            del places[stale]
        places[path] = name
    return mistakes


def _put(data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        inner = data.get(name)
        if not isinstance(inner, dict):
            inner = data[name] = {}
        data = inner
    data[path[-1]] = value
