"""A configuration file as plain data, with the line that each key stands in."""

from __future__ import annotations

import json
from collections.abc import Generator, Hashable, Iterator
from pathlib import Path
from typing import Any

from ..errors import ConfigError

Keys = tuple[Any, ...]  # names, and numbers of list entries, from the top
Places = dict[Keys, str]  # where a value comes from: "server.yaml:7", or a variable's name


def read(path: Path) -> tuple[dict[str, Any], Places]:
    """What is in a YAML (.yaml, .yml) or JSON file; ConfigError says what is wrong, and where."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file: {error}") from None
    data, lines = _json(path, text) if path.suffix == ".json" else _yaml(path, text)
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: a mapping of sections is expected, not {type(data).__name__}")
    places: Places = {}
    for keys, line in lines:
        first = places.setdefault(keys, f"{path}:{line}")
        if first != f"{path}:{line}":
            raise ConfigError(f"{path}:{line}: {dotted(keys)}: is there already, in {first}")
    return data, places


def dotted(keys: Keys) -> str:
    """`clients.known.0.id`"""
    return ".".join(map(str, keys)) or "top level"


def line(keys: Keys, places: Places) -> int:
    """The line of a key in its file, or of the nearest around it; 0 if it is in none."""
    number = place(keys, places).rpartition(":")[2]
    return int(number) if number.isdigit() else 0


def place(keys: Keys, places: Places) -> str:
    """Where a key is, or the nearest around it that is anywhere; empty if none is."""
    for length in range(len(keys), 0, -1):
        if keys[:length] in places:
            return places[keys[:length]]
    return ""


def _yaml(path: Path, text: str) -> tuple[Any, list[tuple[Keys, int]]]:
    try:
        import yaml
    except ImportError:
        raise ConfigError(f"{path}: reading YAML needs PyYAML: pip install PyYAML") from None

    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None, []
        lines = list(_lines_of_yaml(path, loader, node))
        return loader.construct_document(node), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark is not None else f"{path}"
        told = ", ".join(filter(None, (error.context, error.problem)))
        raise ConfigError(f"{where}: this is no YAML: {told}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: this is no YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deep") from None
    except (ValueError, TypeError) as error:  # of PyYAML: dates like 2001-99-99, odd keys
        raise ConfigError(f"{path}: this is no YAML: {error}") from None


def _lines_of_yaml(path: Path, loader: Any, root: Any) -> Iterator[tuple[Keys, int]]:
    """The keys below a node; ConfigError if it holds itself."""

    def walk(node: Any, keys: Keys, above: Keys) -> Iterator[tuple[Keys, int]]:
        if id(node) in above:
            raise ConfigError(f"{path}:{node.start_mark.line + 1}: {dotted(keys)}: holds itself")
        above = (*above, id(node))
        if node.id == "mapping":
            for name, value in node.value:
                if name.tag != "tag:yaml.org,2002:merge":
                    own = (*keys, _name(loader.construct_object(name, deep=True)))
                    yield own, name.start_mark.line + 1
                    yield from walk(value, own, above)
        elif node.id == "sequence":
            for number, value in enumerate(node.value):
                yield (*keys, number), value.start_mark.line + 1
                yield from walk(value, (*keys, number), above)

    yield from walk(root, (), ())


def _json(path: Path, text: str) -> tuple[Any, list[tuple[Keys, int]]]:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        told = f"{path}:{error.lineno}:{error.colno}: this is no JSON: {error.msg}"
        raise ConfigError(told) from None
    except ValueError as error:  # a number of thousands of digits
        raise ConfigError(f"{path}: this is no JSON: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deep") from None
    return data, list(_lines_of_json(text))


def _lines_of_json(text: str) -> Iterator[tuple[Keys, int]]:
    """The keys of a text that is known to be JSON."""
    decoder = json.JSONDecoder()

    def skip(at: int, characters: str = " \t\r\n") -> int:
        while text[at] in characters:
            at += 1
        return at

    def value(at: int, keys: Keys) -> Generator[tuple[Keys, int], None, int]:
        """Yields the keys in the value that begins `at`; returns where it ends."""
        at = skip(at)
        if text[at] not in "{[":
            return int(decoder.raw_decode(text, at)[1])
        closing = "}" if text[at] == "{" else "]"
        at, number = skip(at + 1), 0
        while text[at] != closing:
            key: Any = number
            line = text.count("\n", 0, at) + 1
            if closing == "}":
                key, at = decoder.raw_decode(text, at)
                at = skip(at, " \t\r\n:")
            own = (*keys, key)
            yield own, line
            at = skip((yield from value(at, own)), " \t\r\n,")
            number += 1
        return at + 1

    yield from value(0, ())


def _name(key: Any) -> Any:
    return key if isinstance(key, Hashable) else str(key)
