"""Every name that users of this package write down: gathered from what is there."""

from __future__ import annotations

import contextlib
import inspect
import io
import re
from collections.abc import Iterator
from pathlib import Path

import inferential_core
from inferential_core.cli import main
from inferential_core.config.keys import all_keys
from inferential_core.metrics.catalog import CATALOG

CLASSES = (
    *("AsyncConnection", "AsyncModel", "Connection", "Model", "Reply", "Server"),
    *("Dispatcher", "EncodedImage", "InferenceContext", "InferenceRequest", "LocalDispatcher"),
    *("Scheduler", "Status"),
)
COMMANDS = (
    *("serve", "config check", "config show", "top", "status", "bench"),
    *("keys new", "keys authorize", "keys token", "keys revoke", "keys list"),
)
_MADE_BY_US = ("Model", "AsyncModel")  # nobody else calls their constructors
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_MESSAGE_FIELD = re.compile(r"^([\w/\[\]]+) +(\w+)(?:=(\S+))?", re.MULTILINE)
_WIRE_FIELD = re.compile(r"^  (?:([\w., <>]+?) )?(\w+) = (\d+);", re.MULTILINE)
_BLOCK = re.compile(r"^(?:message|enum) (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)


def public_names(root: Path) -> Iterator[str]:
    """A line for each; root: the checkout, for messages and the wire."""
    for name in inferential_core.__all__:
        yield f"inferential_core.{name}"
    for name in CLASSES:
        yield from _of_class(getattr(inferential_core, name))
    for metric in CATALOG:
        yield f"metric {metric.name} [{metric.unit}] {' '.join(metric.labels)}"
    for key in all_keys():
        yield f"config {key.dotted}"
    for path in sorted((root / "msg").glob("*.msg")):
        for kind, name, value in _MESSAGE_FIELD.findall(path.read_text("utf-8")):
            yield f"{path.stem}: {kind} {name}" + (f"={value}" if value else "")
    for block, body in _BLOCK.findall((root / "proto/inferential.proto").read_text("utf-8")):
        for kind, name, number in _WIRE_FIELD.findall(body):
            yield f"wire {block}.{name} = {number} {kind}".rstrip()
    for command in COMMANDS:
        for option in sorted(set(_OPTION.findall(_help(command)))):
            yield f"inferential {command} {option}"


def _of_class(cls: type) -> Iterator[str]:
    for name, member in inspect.getmembers(cls):
        if name.startswith("_") and (name != "__init__" or cls.__name__ in _MADE_BY_US):
            continue
        if not inspect.isroutine(member):
            yield f"{cls.__name__}.{name}"
            continue
        if not str(getattr(member, "__module__", "")).startswith("inferential"):
            continue  # of str, of tuple
        yield f"{cls.__name__}.{name}()"
        for parameter in inspect.signature(member).parameters:
            if parameter != "self":
                yield f"{cls.__name__}.{name}({parameter})"


def _help(command: str) -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main([*command.split(), "--help"])
    return text.getvalue()
