"""Batches on their way to a replica, and results on their way back, as plain data and numpy."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...models.answers import Result
from ...request import InferenceRequest
from ...wire.images import EncodedImage
from ..worker.blocks import place_of
from ..worker.values import as_exception
from .replica_memory import Block, started
from .replica_values import Image, Observation, Outcome

Stayed = dict[Block, list[np.ndarray]]

_ME = (os.getpid(), started(os.getpid()))
_SHARED_FROM = 1 << 14  # bytes
_probe: list[tuple[Any, bytes]] = []


class Packed(NamedTuple):
    """A batch on its way."""

    observations: list[Observation]
    size: int  # bytes that travel
    stayed: Stayed  # what did not: to be kept for as long as a replica refers to it


def pack(requests: Sequence[InferenceRequest], near: bool) -> Packed:
    """The observations of a batch, images still compressed.

    near: the replicas can read this process's shared memory; what lies there stays there.
    """
    size = 0
    stayed: Stayed = {}
    now = time.monotonic()
    observations: list[Observation] = []
    for request in requests:
        values: dict[str, Any] = {}
        images: dict[str, Image] = {}
        for key, value in request.inputs.items():
            if isinstance(value, EncodedImage):
                data = np.frombuffer(value.data, np.uint8)  # arrays travel without being copied
                sent = _shared(data, stayed) if near else data
                resizing = () if value.resizing is None else (tuple(value.resizing),)
                images[key] = (value.encoding, sent, value.shape, *resizing)
            else:
                sent = values[key] = _shared(value, stayed) if near else value
            size += sent.nbytes if isinstance(sent, np.ndarray) else 64
        left = request.deadline - now if math.isfinite(request.deadline) else math.inf
        observations.append((values, images, _facts(request, left)))
    return Packed(observations, size, stayed)


def _shared(value: Any, stayed: Stayed) -> Any:
    """Where an array lies, if it is large and lies in shared memory; else the value itself."""
    if not isinstance(value, np.ndarray) or value.nbytes < _SHARED_FROM:
        return value
    place = place_of(value)
    if place is None:
        return value
    descriptor, block, lease, offset = place
    stayed.setdefault((*_ME, block, lease), []).append(value)
    return (*_ME, descriptor, block, lease, offset, value.nbytes, value.dtype, value.shape)


def probe() -> tuple[Any, bytes]:
    """Shared memory with something in it that only its reader can know; kept while we live."""
    if not _probe:
        token = os.urandom(16)
        descriptor = os.memfd_create("inferential-probe", os.MFD_CLOEXEC)
        os.write(descriptor, token)
        _probe.append(((*_ME, descriptor, 0, 0, 0, len(token), np.dtype(np.uint8), (16,)), token))
    return _probe[0]


def _facts(request: InferenceRequest, left: float) -> tuple[Any, ...]:
    return (request.client_id, request.epoch, request.request_id, request.first_of_episode, left)


def unpack(outcomes: Sequence[Outcome]) -> list[Result]:
    """Values, or why there are none, for each observation."""
    return [_result(outcome) for outcome in outcomes]


def _result(outcome: Outcome) -> Result:
    if isinstance(outcome, list):
        return as_exception(*outcome)
    return {
        key: EncodedImage(value[1], value[0], value[2]) if isinstance(value, tuple) else value
        for key, value in outcome.items()
    }
