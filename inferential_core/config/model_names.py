"""Finds models that a configuration names and nobody serves, which most likely are misspelt."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..suggestion import nearest
from .schema import InferentialConfig


def unserved(config: InferentialConfig, served: Collection[str]) -> list[str]:
    """A sentence for each place that names a model which is not among `served`.

    No errors, since a model may be loaded later. The keys that are read before there are models,
    such as those of `local`, are checked where they are read.
    """
    return [
        f"{key}: model {model!r} is not served: {nearest(model, served)}"
        for key, model in _named(config)
        if model not in served
    ]


def _named(config: InferentialConfig) -> Iterator[tuple[str, str]]:
    """Each place that names a model, and that model."""
    for model in config.lease.models:
        yield "lease.models", model
    for number, entry in enumerate(config.clients.known):
        if entry.model is not None:
            yield f"clients.known.{number}.model", entry.model
    for door in config.doors:
        if door.model:
            yield f"door {door.kind!r}", door.model
        for name, model in door.models.items():
            yield f"door {door.kind!r}, models.{name}", model
