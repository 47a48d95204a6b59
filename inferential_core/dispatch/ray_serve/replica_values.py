"""Converts observations and answers in a replica. Sent to the replicas by value."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ...errors import parts_of
from ...models.answers import Result
from ...models.context import InferenceContext
from ...models.interface import pixels_of
from ...wire.images import EncodedImage, Resizing
from .replica_memory import Neighbours

# A compressed image as it travels: its encoding, its bytes as uint8, the shape of its pixels, and,
# if there is one, the size they are brought to, as a `Resizing` has it.
Image = tuple[Any, ...]

# One observation as it travels: values by key; compressed images by key; context as (client id,
# epoch, request id, first of its episode, seconds until the deadline). Arrays may lie elsewhere:
# then a `replica_memory.Shared` each.
Observation = tuple[dict[str, Any], dict[str, Image], tuple[Any, ...]]

# A result as it travels: values by key, compressed images among them as `Image`; or the class of
# an error, its text with its place, and its traceback, in a list.
Outcome = dict[str, Any] | list[str]


def unpack(
    observations: Sequence[Observation],
    neighbours: Neighbours,
    context_class: type[InferenceContext],
) -> tuple[list[Any], list[InferenceContext]]:
    """Inputs, or an exception for one that is broken, and contexts. Images are decoded.

    Deadlines are on this machine's clock.
    """
    now = time.monotonic()
    contexts = []
    for _, _, (client_id, epoch, request_id, first, left_s) in observations:
        contexts.append(context_class(client_id, epoch, request_id, first, now + left_s))
    return [_inputs(each, neighbours) for each in observations], contexts


def pack_outcome(result: Result) -> Outcome:
    """A result as plain data and arrays."""
    if isinstance(result, Exception):
        return list(parts_of(result))
    return {
        key: (value.encoding, bytes(value.data), tuple(value.shape))
        if type(value).__name__ == EncodedImage.__name__
        else value
        for key, value in result.items()
    }


def _inputs(observation: Observation, neighbours: Neighbours) -> dict[str, Any] | Exception:
    values, images, _ = observation
    try:
        inputs = {
            key: neighbours.read(value) if isinstance(value, tuple) else value
            for key, value in values.items()
        }
        for key, (encoding, data, shape, *size) in images.items():
            file: Any = neighbours.read(data) if isinstance(data, tuple) else data
            resizing = Resizing(*size[0]) if size else None
            image = EncodedImage(memoryview(file), encoding, tuple(shape), resizing)
            inputs[key] = pixels_of(key, image)
        return inputs
    except Exception as error:
        return error


def find_context_class() -> type[InferenceContext]:
    """The class that a model finds in this package, where the replica has it in this form."""
    try:
        from inferential_core.models.context import InferenceContext as installed
    except ImportError:
        return InferenceContext
    return installed if installed._fields == InferenceContext._fields else InferenceContext
