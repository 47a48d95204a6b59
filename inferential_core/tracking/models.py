"""What the server knows of each model: its lanes, its latency, its record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .latency import LatencyModel


@dataclass
class ModelRecord:
    """Counters of one model; batches in flight never exceed its lanes."""

    id: str
    max_batch: int
    lanes: int
    version: str = ""
    specification: Mapping[str, Any] = field(default_factory=dict)
    latency: LatencyModel = field(default_factory=LatencyModel)
    busy_lanes: int = 0
    in_flight: int = 0  # observations
    batches: int = 0
    served: int = 0
    failed: int = 0
    mean_batch: float = math.nan
    last_error: str = ""

    _MEMORY = 0.05  # weight of the newest batch in mean_batch

    @property
    def free(self) -> bool:
        return self.busy_lanes < self.lanes

    def begin(self, batch_size: int) -> None:
        self.busy_lanes += 1
        self.in_flight += batch_size

    def end(self, batch_size: int, seconds: float, failed: int) -> None:
        """A call is over; what failed says nothing about how long work takes."""
        self.busy_lanes -= 1
        self.in_flight -= batch_size
        self.batches += 1
        self.failed += failed
        self.served += batch_size - failed
        if failed < batch_size:
            self.latency.learn(batch_size, seconds)
        if math.isnan(self.mean_batch):
            self.mean_batch = float(batch_size)
        else:
            self.mean_batch += self._MEMORY * (batch_size - self.mean_batch)
