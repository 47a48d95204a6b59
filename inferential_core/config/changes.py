"""What differs between two configurations, and what of it a running server can take over."""

from __future__ import annotations

from collections.abc import Iterator

from .schema import InferentialConfig
from .section import Section


def changed(before: Section, after: Section, prefix: str = "") -> Iterator[str]:
    """Dotted keys whose values differ; lists and free mappings count as one value."""
    for name in type(before).model_fields:
        old, new = getattr(before, name), getattr(after, name)
        if isinstance(old, Section):
            yield from changed(old, new, f"{prefix}{name}.")
        elif old != new:
            yield f"{prefix}{name}"


def needs_restart(running: InferentialConfig, wanted: InferentialConfig) -> list[str]:
    """Keys of `wanted` that differ from what runs and hold only after a restart."""
    return [key for key in changed(running, wanted) if not reloads(key)]


def as_far_as_live(running: InferentialConfig, wanted: InferentialConfig) -> InferentialConfig:
    """`wanted`, but what needs a restart as it runs now."""
    sections = {name: getattr(running, name) for name in InferentialConfig.model_fields}
    kept = {name: section for name, section in sections.items() if not section.RELOADS}
    return wanted.model_copy(update=kept)


def reloads(key: str) -> bool:
    """Whether a running server takes a change of this (dotted) key over."""
    kind = InferentialConfig.model_fields[key.partition(".")[0]].annotation
    assert isinstance(kind, type) and issubclass(kind, Section)
    return kind.RELOADS
