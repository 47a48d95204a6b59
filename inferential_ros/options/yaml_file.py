"""Reads a contract file, and finds the line of a key for error messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inferential_core.config.yaml_source import Keys, Source, SourceError
from inferential_core.config.yaml_source import parse_yaml as parse
from inferential_ros.options.errors import ContractError, ContractErrors


def read_yaml(path: str | Path) -> Any:
    """The values in a file; ContractError if it is not there or is no YAML."""
    return _read(path).data


def parse_yaml(content: str) -> Any:
    """The values in a text."""
    return _parsed(content).data


def located(error: ContractError, path: str | Path) -> ContractError:
    """The error with a contract's file and the line of its key, or of the nearest around that."""
    if len(error.all) > 1:
        found = [located(each, path) for each in error.all]
        return ContractErrors(sorted(found, key=lambda each: each.line))
    if error.file:
        return error
    try:
        lines = {_path(keys): line for keys, line in _read(path).lines.items()}
    except ContractError:  # it is not the file any more that was read
        lines = {}
    around = [each for each in lines if _is_within(error.path, each)]
    line = lines[max(around, key=len)] if around else 0
    return ContractError(error.path, error.problem, str(path), line)


def _read(path: str | Path) -> Source:
    try:
        return _parsed(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ContractError("", f"cannot be read: {error.strerror}", str(path)) from None
    except UnicodeDecodeError as error:
        raise ContractError("", f"cannot be read: {error}", str(path)) from None
    except ContractError as error:
        raise ContractError("", error.problem, str(path), error.line) from None


def _parsed(content: str) -> Source:
    try:
        source = parse(content)
    except SourceError as error:
        problem = error.problem.removeprefix("this is no YAML: ")
        raise ContractError("", f"is not valid YAML: {problem}", line=error.line) from None
    for keys, line in source.twice:
        raise ContractError("", f"key {keys[-1]!r} is given twice", line=line)
    return source


def _path(keys: Keys) -> str:
    """As `Section.at` and the readers of lists write it: `action.outputs[0].type`."""
    path = ""
    for key in keys:
        path += f"[{key}]" if isinstance(key, int) else f".{key}" if path else str(key)
    return path


def _is_within(path: str, around: str) -> bool:
    return path == around or (path.startswith(around) and path[len(around)] in ".[")
