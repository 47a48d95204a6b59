"""Counts measurements by size since the start, as Prometheus needs them of every request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

SECONDS = (
    *(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0),
)
SIZES = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0, 128.0)

_MOST_MODELS = 100
_OTHER = "other"


class Counts(NamedTuple):
    """A histogram as it stands."""

    bounds: Sequence[float]  # upper ones, included; the last bucket has none
    cumulative: list[int]  # points up to each bound, and all of them
    sum: float


class Histogram:
    """One metric of one model. By one thread at a time."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._edges = np.array(bounds)
        self._counts = np.zeros(len(bounds) + 1, np.int64)
        self._sum = 0.0

    def add(self, values: np.ndarray) -> None:
        """Count points (n,); NaN is none."""
        values = values[values == values]
        buckets = np.searchsorted(self._edges, values)
        self._counts += np.bincount(buckets, minlength=len(self._counts))
        self._sum += float(values.sum())

    def counts(self) -> Counts:
        """Cumulative counts for each bound, and the sum, as Prometheus has them."""
        return Counts(self._bounds, np.cumsum(self._counts).tolist(), self._sum)


class ModelHistograms:
    """Those of one model, in seconds and observations."""

    def __init__(self) -> None:
        self.queue_wait = Histogram(SECONDS)
        self.staleness = Histogram(SECONDS)
        self.batch_size = Histogram(SIZES)
        self.inference_latency = Histogram(SECONDS)
        self.e2e_latency = Histogram(SECONDS)

    def all(self) -> dict[str, Histogram]:
        """Each histogram by its name."""
        return vars(self)


class Histograms:
    """Of all models; those beyond the first hundred names share one set."""

    def __init__(self) -> None:
        self._by_model: dict[str, ModelHistograms] = {}

    def of(self, model: str) -> ModelHistograms:
        """Those of this model, made at the first call."""
        name = model
        if model not in self._by_model and len(self._by_model) >= _MOST_MODELS:
            name = _OTHER
        return self._by_model.setdefault(name, ModelHistograms())

    def counts(self) -> dict[str, dict[str, Counts]]:
        """model -> name -> counts."""
        return {
            model: {name: histogram.counts() for name, histogram in each.all().items()}
            for model, each in self._by_model.items()
        }
