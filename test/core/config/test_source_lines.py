"""Whatever is in a configuration file, each key of it is found with the line it stands in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from inferential_core.config.source import Keys, line, read

TEXT = some.text('ab"\\{}[],: \té', max_size=4)
VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | TEXT,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)
TREES = some.dictionaries(TEXT, VALUES, max_size=4)


def keys_of(value: Any, at: Keys = ()) -> Iterator[Keys]:
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, below in inner:
        yield (*at, key)
        yield from keys_of(below, (*at, key))


@pytest.mark.parametrize("name", ["server.json", "server.yaml"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES)
def test_every_key_has_its_line(tmp_path: Path, name: str, tree: dict[str, Any]) -> None:
    file = tmp_path / name
    written = json.dumps(tree, indent=1) if name.endswith("json") else yaml.safe_dump(tree)
    file.write_text(written)
    data, places = read(file)
    assert data == tree
    assert set(places) == set(keys_of(tree))
    lines = written.split("\n")
    for keys in places:
        if isinstance(keys[-1], str) and keys[-1] and set(keys[-1]) <= {"a", "b"}:
            assert keys[-1] in lines[line(keys, places) - 1]
