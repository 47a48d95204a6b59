"""YAML as a contract means it: `on` is a word, and a key given twice is a mistake."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from inferential_ros.contract.errors import ContractError


class _Loader(yaml.SafeLoader):
    """SafeLoader with the booleans of YAML 1.2: in 1.1 the key `on` would be the value true."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # the constructor tells what is wrong with it
            if key.value in seen:
                line = key.start_mark.line + 1
                raise ContractError("", f"line {line}: key {key.value!r} is given twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def read_yaml(path: str | Path) -> Any:
    """The values in a file; ContractError if it is not there or is no YAML."""
    try:
        content = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError("", f"cannot be read: {error}") from None
    return parse_yaml(content)


def parse_yaml(content: str) -> Any:
    """The values in a text."""
    try:
        return yaml.load(content, _Loader)
    # PyYAML itself fails on dates like 2001-99-99 and on lists a thousand deep.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ContractError("", f"is not valid YAML: {error}") from None
