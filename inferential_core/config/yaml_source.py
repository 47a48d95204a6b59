"""The one reader of YAML and JSON: plain data, and the line that each key stands in.

YAML is version 1.2: `on` is a word, 012 is twelve, 1e3 a number. What a server reads takes `yes`,
`no`, `on` and `off` for true and false as well, as files that were written for 1.1 mean them.
Needs ruamel.yaml, and imports it on first use; nothing else of the server's side.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ConfigError, UsageError

Keys = tuple[Any, ...]  # names, and numbers of list entries, from the top
Places = dict[Keys, str]  # where a value comes from: "server.yaml:7", or a variable's name

_BOOLEANS_OF_1_1 = frozenset(
    word for each in ("yes", "no", "on", "off") for word in (each, each.title(), each.upper())
)
_TAG = "tag:yaml.org,2002:"


class SourceError(ConfigError):
    """A text that cannot be read; line and column are 0 where nobody knows them."""

    def __init__(self, problem: str, line: int = 0, column: int = 0) -> None:
        super().__init__(f"line {line}: {problem}" if line else problem)
        self.problem, self.line, self.column = problem, line, column

    def within(self, path: Path) -> ConfigError:
        """The same with the name of the file, as `server.yaml:7:3: ...`."""
        where = [str(number) for number in (self.line, self.column) if number]
        return ConfigError(f"{':'.join((str(path), *where))}: {self.problem}")


class Source(NamedTuple):
    """What a text says."""

    data: Any
    lines: dict[Keys, int]  # of each key and list entry, from 1
    twice: list[tuple[Keys, int]]  # keys that their mapping had already, and the line of those


def read(path: Path) -> tuple[dict[str, Any], Places]:
    """What is in a YAML (.yaml, .yml) or JSON file; ConfigError says what is wrong, and where."""
    text = read_text(path)
    try:
        source = parse_json(text) if path.suffix == ".json" else parse_yaml(text, yes_and_no=True)
    except SourceError as error:
        raise error.within(path) from None
    data = {} if source.data is None else source.data
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: a mapping of sections is expected, not {type(data).__name__}")
    for keys, again in source.twice:
        first = f"{path}:{source.lines[keys]}"
        raise ConfigError(f"{path}:{again}: {dotted(keys)}: is there already, in {first}")
    return data, {keys: f"{path}:{number}" for keys, number in source.lines.items()}


def read_text(path: Path) -> str:
    """A text of UTF-8; ConfigError if the file cannot be read, or holds something else."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file: {error}") from None


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


def parse_yaml(text: str, yes_and_no: bool = False) -> Source:
    """The one document of a text; SourceError if it is no YAML, UsageError if nothing reads YAML.

    yes_and_no: whether yes, no, on and off are booleans where they are values.
    """
    try:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError
    except ImportError:
        raise UsageError("reading YAML needs ruamel.yaml: pip install ruamel.yaml") from None
    try:
        yaml = YAML(typ="safe", pure=True)
        yaml.allow_duplicate_keys = True  # `twice` tells of all of them
        root = yaml.compose(text)
        if root is None:
            return Source(None, {}, [])
        lines: dict[Keys, int] = {}
        twice = []
        for keys, number in _keys_below(root, yaml.constructor, yes_and_no):
            if keys in lines:
                twice.append((keys, number))
            lines.setdefault(keys, number)
        return Source(yaml.constructor.construct_document(root), lines, twice)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        told = f"this is no YAML: {', '.join(filter(None, (error.context, error.problem)))}"
        where = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
        raise SourceError(told, *where) from None
    except RecursionError:
        raise SourceError("nested too deep") from None
    except SourceError:
        raise
    # ValueError and the like come from dates like 2001-99-99 and from keys that no dict can have.
    except (YAMLError, ValueError, TypeError, LookupError) as error:
        raise SourceError(f"this is no YAML: {' '.join(str(error).split())}") from None


def parse_json(text: str) -> Source:
    """The value of a JSON text; SourceError if it is none."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise SourceError(f"this is no JSON: {error.msg}", error.lineno, error.colno) from None
    except ValueError as error:  # a number of thousands of digits
        raise SourceError(f"this is no JSON: {error}") from None
    except RecursionError:
        raise SourceError("nested too deep") from None
    try:  # JSON is YAML, but for tabs in older versions of ruamel.yaml, which JSON has between
        source = parse_yaml(text.replace("\t", " "))  # values only
    except SourceError:  # and for oddities such as keys of 1,024 characters
        return Source(data, {}, [])
    return Source(data, source.lines, source.twice)


def _keys_below(root: Any, constructor: Any, yes_and_no: bool) -> Iterator[tuple[Keys, int]]:
    """The keys below a node, with their lines; SourceError if it holds itself."""

    def walk(node: Any, keys: Keys, above: frozenset[int]) -> Iterator[tuple[Keys, int]]:
        if id(node) in above:
            raise SourceError(f"{dotted(keys)}: holds itself", node.start_mark.line + 1)
        above = above | {id(node)}
        if node.id == "mapping":
            for name, value in node.value:
                if name.tag != f"{_TAG}merge":
                    key = constructor.construct_object(name, deep=True)
                    own = (*keys, key if isinstance(key, Hashable) else str(key))
                    yield own, name.start_mark.line + 1
                    yield from walk(value, own, above)
        elif node.id == "sequence":
            for number, value in enumerate(node.value):
                yield (*keys, number), value.start_mark.line + 1
                yield from walk(value, (*keys, number), above)
        elif yes_and_no and not node.style and node.value in _BOOLEANS_OF_1_1:
            node.tag = f"{_TAG}bool"

    return walk(root, (), frozenset())
