"""Whatever is in a configuration file, each key of it is found with the line it stands in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from inferential_core.config.yaml_source import Keys, line, parse_json, parse_yaml, read

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


@pytest.mark.parametrize(
    ("text", "value", "of_a_server"),
    [
        ("on", "on", True),
        ("No", "No", False),
        ("'no'", "no", "no"),
        ("y", "y", "y"),
        ("true", True, True),
        ("012", 12, 12),
        ("0o14", 12, 12),
        ("1e3", 1000.0, 1000.0),
        ("2.0e+8", 2e8, 2e8),
        ("1:30", "1:30", "1:30"),
        ("0x1F", 31, 31),
        ("~", None, None),
    ],
)
def test_a_plain_value_is_read_as_yaml_1_2_and_words_of_1_1_where_a_server_reads(
    text: str, value: Any, of_a_server: Any
) -> None:
    assert parse_yaml(f"key: {text}").data == {"key": value}
    assert parse_yaml(f"key: {text}", yes_and_no=True).data == {"key": of_a_server}
    assert parse_yaml("on: 1", yes_and_no=True).data == {"on": 1}  # a key is a word anyway


def test_keys_that_stand_twice_are_all_told_also_in_one_line() -> None:
    source = parse_yaml("a: {x: 1, x: 2}\nb: 1\na: 3\n")
    assert source.twice == [(("a", "x"), 1), (("a",), 3)]


def test_a_key_beside_a_merge_takes_its_place_and_is_none_that_stands_twice() -> None:
    source = parse_yaml("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  x: 3\n")
    assert source.data["b"] == {"x": 3, "y": 2} and source.twice == []
    assert source.lines["b", "x"] == 4


def test_json_with_tabs_and_keys_that_yaml_cannot_have_is_read() -> None:
    assert parse_json('{\n\t"a":\t[1,\n\t2]}').lines == {("a",): 2, ("a", 0): 2, ("a", 1): 3}
    long = "k" * 2000
    assert parse_json(json.dumps({long: {"\U0001f600": 1e400}})).data[long]["\U0001f600"] > 1e308


def test_a_robot_reads_yaml_without_the_server_s_packages() -> None:
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('pydantic', 'ray', 'watchfiles', 'yaml')))\n"
        "from inferential_core.config.yaml_source import parse_yaml\n"
        "assert parse_yaml('a: 1').lines == {('a',): 1}\n"
    )
    path = os.pathsep.join([str(Path(__file__).resolve().parents[3]), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=60)
