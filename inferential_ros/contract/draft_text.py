"""Values as YAML that is read back as the same values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

WIDTH = 80
PLAIN = re.compile(r"[A-Za-z_/~][A-Za-z0-9_./-]*")
# What YAML 1.1 or 1.2 reads as something else than text.
WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "~"}


def scalar(value: Any) -> str:
    """A text, in quotes where YAML would make something else of it; a number or a truth value."""
    if not isinstance(value, str):
        return json.dumps(value)
    if PLAIN.fullmatch(value) and value.lower() not in WORDS:
        return value
    return '"' + "".join(map(_escaped, value)) + '"'


def _escaped(character: str) -> str:
    """As in a double-quoted scalar: YAML 1.2.2, section 5.7."""
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def listed(values: Iterable[Any]) -> str:
    """A list in brackets, on several lines where one would be long."""
    items = [scalar(value) for value in values]
    line = ", ".join(items)
    if len(line) <= WIDTH:
        return f"[{line}]"
    lines = [""]
    for item in items:
        if lines[-1] and len(lines[-1]) + len(item) + 1 > WIDTH:
            lines.append("")
        lines[-1] = f"{lines[-1]} {item},".lstrip()
    return "\n".join(["[", *(f"          {part}" for part in lines), "        ]"])
