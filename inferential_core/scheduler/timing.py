"""How long a model's batches take, as the scheduler plans with it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..tracking.latency import LatencyModel

_MARGIN = 2.0  # standard deviations of its latency that a model is given beyond the mean
_LEAST_S = 1e-6  # time of a batch while nothing is known


@dataclass(eq=False, slots=True)
class Timing:
    """What was known when it was looked at last."""

    seconds: list[float] = field(default_factory=lambda: [0.0, 0.0])  # of batches of 0, 1, ...
    pace: float = 1.0  # share of a batch's time after which another one can begin
    _known_of: LatencyModel | None = None
    _limit: int = 0  # largest batch
    _known_at: int = 0  # calls of the model until then

    def look(self, latency: LatencyModel, limit: int, lanes: int, calls: int = 1) -> list[float]:
        """Seconds of batches up to `limit`, as it was known at most so many `calls` ago."""
        if (
            latency.calls >= self._known_at + calls
            or limit != self._limit
            or latency is not self._known_of
        ):
            self._known_of, self._limit, self._known_at = latency, limit, latency.calls
            self.seconds = batch_seconds(latency, limit)
            self.pace = 1.0 / lanes
        return self.seconds


def batch_seconds(latency: LatencyModel, limit: int) -> list[float]:
    """How long batches of 0, 1, ... `limit` take, with a margin."""
    each = latency.per_observation
    fixed = latency.fixed + _MARGIN * latency.deviation
    if math.isnan(fixed):  # nothing is known
        each = fixed = 0.0
    # written out, as it is done anew after each batch: max(), predict() cost more than all else
    taken, seconds = fixed, [0.0]
    for _ in range(limit):
        taken += each
        seconds.append(taken if taken > _LEAST_S else _LEAST_S)
    return seconds
