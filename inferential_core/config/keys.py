"""Describes each key of the schema in words, for messages, documents and `inferential config`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from .schema import InferentialConfig
from .section import Section

Schema = dict[str, Any]

_TYPES = {
    "boolean": "true or false",
    "string": "a text",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


@dataclass(frozen=True)
class Key:
    """A key of the configuration; of an entry of a list its path has `*` for the number."""

    path: tuple[str, ...]
    allowed: str
    default: Any  # None where there is none
    required: bool
    description: str
    section: bool  # whether it has keys of its own
    reloads: bool  # whether a running server takes a change over

    @property
    def dotted(self) -> str:
        """The key as people write it: `scheduling.max_batch_size`."""
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """The environment variable that overrides it."""
        return "INFERENTIAL_" + "__".join(self.path).upper()


@cache
def schema() -> Schema:
    """The JSON schema of the whole tree."""
    return InferentialConfig.model_json_schema()


def all_keys() -> list[Key]:
    """Every key, in the order of the schema, sections before what is in them."""
    return list(_keys(schema(), ()))


def at(keys: Sequence[Any]) -> Schema | None:
    """What the schema says of a key; None where there is no such key."""
    node = schema()
    for key in keys:
        inner = node.get("items") if isinstance(key, int) else node.get("properties", {}).get(key)
        if inner is None:
            inner = node.get("additionalProperties")  # of a mapping from names that people choose
        if not isinstance(inner, dict):
            return None
        node = _resolved(inner)
    return node


def known(keys: Sequence[Any]) -> list[str] | None:
    """The keys that may stand under this one; None: any, or none."""
    properties = (at(keys) or {}).get("properties")
    return None if properties is None else list(properties)


def allowed(node: Schema) -> str:
    """`a whole number from 1 to 65536`."""
    node = _resolved(node)
    if "anyOf" in node:
        return ", or ".join(allowed(each) for each in node["anyOf"])
    if "enum" in node:
        return "one of " + ", ".join(map(repr, node["enum"]))
    if "const" in node:
        return repr(node["const"])
    kind = node.get("type", "")
    if kind in ("integer", "number"):
        return ("a whole number" if kind == "integer" else "a number") + _range(node)
    return _TYPES.get(kind, "anything")


def reloads(key: str) -> bool:
    """Whether a running server takes a change of this (dotted) key over."""
    kind = InferentialConfig.model_fields[key.partition(".")[0]].annotation
    return isinstance(kind, type) and issubclass(kind, Section) and kind.RELOADS


def _range(node: Schema) -> str:
    low, above = node.get("minimum"), node.get("exclusiveMinimum")
    high, below = node.get("maximum"), node.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f" from {number(low)} to {number(high)}"
    parts = []
    if low is not None or above is not None:
        parts.append(f"at least {number(low)}" if low is not None else f"above {number(above)}")
    if high is not None or below is not None:
        parts.append(f"at most {number(high)}" if high is not None else f"below {number(below)}")
    return " " + ", ".join(parts) if parts else ""


def number(value: Any) -> str:
    """A number without a point where it is whole."""
    return f"{value:.0f}" if value == int(value) else f"{value:g}"


def _keys(node: Schema, path: tuple[str, ...]) -> Iterator[Key]:
    node = _resolved(node)
    for name, field in node.get("properties", {}).items():
        own = (*path, name)
        inner = _resolved(field)
        section = "properties" in inner
        yield Key(
            path=own,
            allowed=allowed(field),
            default=field.get("default"),
            required=name in node.get("required", ()),
            description=field.get("description", ""),
            section=section,
            reloads=reloads(".".join(own)),
        )
        if section:
            yield from _keys(inner, own)
        elif "items" in inner:
            yield from _keys(inner["items"], (*own, "*"))


def _resolved(node: Schema) -> Schema:
    reference = node.get("$ref")
    if reference is None:
        return node
    found: Schema = schema()["$defs"][reference.rpartition("/")[2]]
    return found
