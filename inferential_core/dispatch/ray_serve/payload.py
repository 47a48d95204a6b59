"""Batches on their way to a replica, and results on their way back, as plain data and numpy."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...request import InferenceRequest
from ...wire.images import EncodedImage
from ..answers import as_values
from ..base import Result
from ..child.values import as_exception
from .replica_values import Observation, Outcome


def pack(requests: Sequence[InferenceRequest]) -> tuple[list[Observation], int]:
    """The observations of a batch, images still compressed, and their size in bytes."""
    size = 0
    now = time.monotonic()
    observations: list[Observation] = []
    for request in requests:
        values: dict[str, Any] = {}
        images: dict[str, tuple[str, Any, tuple[int, ...]]] = {}
        for key, value in request.inputs.items():
            if isinstance(value, EncodedImage):
                data = np.frombuffer(value.data, np.uint8)  # arrays travel without being copied
                images[key] = (value.encoding, data, value.shape)
                size += data.nbytes
            else:
                values[key] = value
                size += value.nbytes if isinstance(value, np.ndarray) else 64
        left = request.deadline - now if math.isfinite(request.deadline) else math.inf
        observations.append((values, images, _facts(request, left)))
    return observations, size


def _facts(request: InferenceRequest, left: float) -> tuple[Any, ...]:
    return (request.client_id, request.epoch, request.request_id, request.first_of_episode, left)


def unpack(outcomes: Sequence[Outcome]) -> list[Result]:
    """Values that can be sent, or why there are none, for each observation."""
    return [_result(outcome) for outcome in outcomes]


def _result(outcome: Outcome) -> Result:
    if isinstance(outcome, tuple):
        return as_exception(*outcome)
    try:
        return as_values(outcome)
    except Exception as error:
        return error
