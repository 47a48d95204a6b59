"""The schema of the configuration as Markdown tables."""

from __future__ import annotations

import json
from collections.abc import Iterator

from inferential_core.config.keys import Key, all_keys
from inferential_core.config.schema import InferentialConfig


def tables() -> str:
    """A heading and a table for each section; those inside of others follow them."""
    keys = all_keys()
    lines: list[str] = []
    for section in [key for key in keys if key.section or _has_entries(key, keys)]:
        inner = [key for key in keys if key.path[:-1] == _inside(section)]
        lines += [
            *_heading(section),
            "",
            "| key | default | allowed | meaning |",
            "|---|---|---|---|",
        ]
        if not section.section and len(section.path) == 1:
            lines.append(_row(section))
        lines += [_row(key) for key in inner if not key.section]
        lines.append("")
    return "\n".join(lines)


def _heading(section: Key) -> Iterator[str]:
    depth = "##" if len(section.path) == 1 else "###"
    yield f"{depth} `{section.dotted}`"
    yield ""
    told = section.description[0].upper() + section.description[1:] + "."
    if not section.section:
        told = f"A list of these: {section.description}."
    if len(section.path) == 1:
        told += f" A change takes effect {'at once' if section.reloads else 'after a restart'}."
    yield told


def _row(key: Key) -> str:
    allowed = key.allowed.replace("|", "\\|")
    return f"| `{key.path[-1]}` | {_default(key)} | {allowed} | {key.description} |"


def _default(key: Key) -> str:
    if key.required:
        return "required"
    if key.default is None:
        return "unset"
    value = _of(key)
    return f"`{json.dumps(value)}`" if value != "" else "unset"


def _of(key: Key) -> object:
    """The default as the tree has it: JSON schemas leave those of lists and mappings out."""
    value: object = InferentialConfig()
    for name in key.path:
        if name == "*":
            return key.default
        value = getattr(value, name)
    return value


def _inside(section: Key) -> tuple[str, ...]:
    return section.path if section.section else (*section.path, "*")


def _has_entries(key: Key, keys: list[Key]) -> bool:
    return any(other.path[:-1] == (*key.path, "*") for other in keys)
