"""Batches and their completions as messages. The first item of a message's head is its kind.

to the child    begin, batch, cancel, forget, notify, end
to the server   ready, failed, done, event
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ...request import InferenceRequest
from ...wire.images import Buffer
from ..base import Batch, Completion, ModelInfo
from . import values
from .lending import Piece

# What the other side learns of a request beside its inputs. Monotonic times hold there too: the
# clock is the machine's.
_CARRIED = (
    "client_id",
    "request_id",
    "epoch",
    "first_of_episode",
    "deadline",
    "priority",
    "received_at",
)


def pack_batch(number: int, batch: Batch) -> tuple[Any, list[Piece]]:
    """Head and buffers of the message that hands a batch over."""
    buffers: list[Piece] = []
    requests = [
        (
            tuple(getattr(request, name) for name in _CARRIED),
            values.pack(request.inputs, buffers),
        )
        for request in batch.requests
    ]
    return ("batch", number, batch.model_id, requests, batch.dispatched_at, batch.lane), buffers


def unpack_batch(head: Any, buffers: Sequence[Buffer]) -> tuple[int, Batch]:
    """The batch and its number."""
    _, number, model_id, requests, dispatched_at, lane = head
    made = [
        InferenceRequest(
            model_id=model_id,
            inputs=values.unpack(described, buffers),
            dispatched_at=dispatched_at,
            **dict(zip(_CARRIED, carried)),
        )
        for carried, described in requests
    ]
    return number, Batch(model_id, made, dispatched_at, lane)


def pack_done(number: int, completion: Completion) -> tuple[Any, list[Piece]]:
    """Head and buffers of the message that brings results."""
    buffers: list[Piece] = []
    results = []
    for result in completion.results:
        try:
            results.append(values.pack_result(result, buffers))
        except Exception as error:  # a value that no message can carry fails its own result
            results.append(values.pack_result(error, buffers))
    return ("done", number, results, completion.duration, completion.version), buffers


def unpack_done(head: Any, buffers: Sequence[Buffer], batch: Batch) -> Completion:
    """The completion of the batch that was handed over under that number."""
    results = [values.unpack_result(described, buffers) for described in head[2]]
    return Completion(batch, results, head[3], head[4])


def pack_models(models: Mapping[str, ModelInfo]) -> dict[str, Any]:
    """What a dispatcher runs, as plain data."""
    return {name: dataclasses.asdict(info) for name, info in models.items()}


def unpack_models(described: Mapping[str, Any]) -> dict[str, ModelInfo]:
    """The counterpart."""
    return {name: ModelInfo(**fields) for name, fields in described.items()}
