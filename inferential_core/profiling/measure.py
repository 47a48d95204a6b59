"""Calls a model with batches of each size, as the server does, and notes what they take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from ..errors import ConfigError, describe
from ..models.caller import ModelCaller
from ..models.context import InferenceContext
from ..models.profile import BatchProfile
from .memory import PeakMemory

_LEAST_CALLS = 5  # of each size, however long they take

Progress = Callable[[str], None]


class Effort(NamedTuple):
    """How much is measured of each batch size: so many calls, but not for longer than that."""

    calls: int = 30
    seconds: float = 10.0


def sizes_of(caller: ModelCaller, most: int) -> list[int]:
    """The batch sizes to measure: those that the model has, or all up to `most`."""
    if not caller.batches:
        return [1]
    if caller.batch_sizes:
        return [size for size in caller.batch_sizes if size <= most] or [caller.batch_sizes[0]]
    return list(range(1, most + 1))


def measure(
    caller: ModelCaller,
    observation: Mapping[str, Any],
    sizes: Sequence[int],
    effort: Effort,
    progress: Progress,
) -> list[BatchProfile]:
    """What calls of each size take. ConfigError where the model fails on the observation."""
    return [_of_size(caller, observation, size, effort, progress) for size in sizes]


def _of_size(
    caller: ModelCaller,
    observation: Mapping[str, Any],
    size: int,
    effort: Effort,
    progress: Progress,
) -> BatchProfile:
    memory = PeakMemory()
    memory.reset()
    first_s = _call(caller, observation, size)
    taken: list[float] = []
    begun = time.monotonic()
    while len(taken) < effort.calls:
        progress(f"measuring batches of {size}: {len(taken)} of {effort.calls} calls")
        taken.append(_call(caller, observation, size))
        if time.monotonic() - begun > effort.seconds and len(taken) >= _LEAST_CALLS:
            break
    ranked = sorted(taken)
    return BatchProfile(
        size,
        len(taken),
        first_s,
        median(taken),
        ranked[math.ceil(0.95 * len(ranked)) - 1],
        memory.host(),
        memory.device(),
    )


def _call(caller: ModelCaller, observation: Mapping[str, Any], size: int) -> float:
    """Seconds of one call, with observations of as many clients."""
    inputs = [dict(observation) for _ in range(size)]
    contexts = [
        InferenceContext(f"profile-{number}", 0, 0, True, math.inf) for number in range(size)
    ]
    begun = time.perf_counter()
    results = caller.call(inputs, contexts)
    seconds = time.perf_counter() - begun
    for result in results:
        if isinstance(result, Exception):
            raise ConfigError(
                f"the model failed on a batch of {size}: {describe(result)}; --shape says what an"
                " observation has"
            )
    return seconds
