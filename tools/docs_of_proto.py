"""proto/inferential.proto as Markdown tables, with the comments that stand beside the fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_BEGIN = re.compile(r"^(message|enum) (\w+) \{$")
_FIELD = re.compile(r"^  (?:([\w., <>]+?) )?(\w+) = (\d+);(?:\s*// (.*))?$")
_OURS = 100  # numbers from here on are not of the published releases


@dataclass
class Block:
    """A message or an enum."""

    kind: str
    name: str
    comment: str
    fields: list[tuple[int, str, str, str]] = field(default_factory=list)  # number name type why


def blocks(text: str) -> Iterator[Block]:
    """Every message and enum of a .proto file that is written as ours is."""
    block: Block | None = None
    comment: list[str] = []
    for line in text.splitlines():
        begin = _BEGIN.match(line)
        if line.startswith("// "):
            comment.append(line[3:])
        elif begin:
            block = Block(begin[1], begin[2], " ".join(comment))
        elif block is not None and line.startswith("}"):
            yield block
            block = None
        elif block is not None and line.strip():
            found = _FIELD.match(line)
            if found is None:
                raise ValueError(f"not understood: {line!r}")
            kind, name, number, why = found.groups()
            block.fields.append((int(number), name, kind or "", why or ""))
        if not line.startswith("//"):
            comment = []


def tables(text: str) -> str:
    """All of them, one heading each."""
    return "\n\n".join(_table(block) for block in blocks(text)) + "\n"


def _table(block: Block) -> str:
    lines = [f"### `{block.name}`", ""]
    if block.comment:
        lines += [block.comment, ""]
    if block.kind == "enum":
        lines += ["| number | name | |", "|---|---|---|"]
        lines += [f"| {number} | `{name}` | {why} |" for number, name, _, why in block.fields]
        return "\n".join(lines)
    lines += ["| number | field | type | |", "|---|---|---|---|"]
    for number, name, kind, why in block.fields:
        shown = f"`{name}`" if number < _OURS else f"`{name}` *"
        lines.append(f"| {number} | {shown} | `{kind}` | {why} |")
    return "\n".join(lines)
