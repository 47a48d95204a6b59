"""What the server knows of each model: its lanes, its latency, its record."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..dispatch.base import ModelInfo
from ..errors import UsageError
from ..models.specification import compile_specification
from ..models.validation import ANYTHING, Specification
from .health import BreakerRule, Health
from .latency import LatencyModel
from .placement import ANYWHERE, Anywhere

_log = logging.getLogger(__name__)

_HAND_OVER = 32
_HAND_OVER_S = 1e-3


@dataclass
class ModelRecord:
    """Counters of one model; batches in flight never exceed its lanes."""

    id: str
    max_batch: int
    lanes: int
    version: str = ""
    specification: Mapping[str, Any] = field(default_factory=dict)
    one_by_one: bool = False
    replicas: int = 1
    takes: Specification = ANYTHING  # what observations are checked against
    unavailable: str = ""  # why its dispatcher cannot ask it now
    valid_for_ms: float = 0.0  # lease on its answers, from their observation on; 0: none
    placement: Anywhere = ANYWHERE  # of the clients of a stateful model
    health: Health = field(default_factory=Health)
    latency: LatencyModel = field(default_factory=LatencyModel)
    busy_lanes: int = 0
    in_flight: int = 0  # observations
    batches: int = 0
    served: int = 0
    failed: int = 0
    mean_batch: float = math.nan
    busy_s: float = 0.0  # time its lanes worked, all together
    utilization: float = math.nan  # share of the last seconds that its lanes worked, 0 to 1

    labels: Mapping[str, str] = field(init=False)  # of its metrics

    _MEMORY = 0.05  # weight of the newest batch in mean_batch
    _UTILIZATION_MEMORY = 0.3  # weight of the newest second in utilization

    def __post_init__(self) -> None:
        self.labels = {"model": self.id}
        self._updated: tuple[float, float] | None = None  # when, and busy_s then

    @classmethod
    def of(cls, info: ModelInfo, rule: BreakerRule | None = None) -> ModelRecord:
        """The record of a model that is new."""
        record = cls(info.id, info.max_batch, info.lanes, health=Health(rule))
        record.update(info)
        return record

    def update(self, info: ModelInfo) -> None:
        """Take over what its dispatcher says of it now."""
        self.max_batch = info.max_batch
        self.lanes = info.lanes
        self.replicas = info.replicas
        self.version = info.version
        if info.specification != self.specification:
            self.specification = info.specification
            self.takes = _compiled(info)
        self.placement = self.placement.resized(info.lanes) if info.stateful else ANYWHERE
        if self.unavailable and not info.unavailable:
            self.health.recovered()
        self.unavailable = info.unavailable
        self.one_by_one = info.one_by_one

    @property
    def free(self) -> bool:
        return self.busy_lanes < self.lanes and not self.health.trying

    def most_at_once(self, max_batch_size: int) -> int:
        """How many observations to hand over together, where one call gets `max_batch_size`.

        A model that takes one per call gets more only if it is done with all of them within a
        millisecond: then waking it for each would cost more than the work itself.
        """
        if not self.one_by_one:
            return min(self.max_batch, max_batch_size)
        each = self.latency.fixed + self.latency.per_observation
        if not each > 0.0:  # nothing is known
            return 1
        if each * _HAND_OVER <= _HAND_OVER_S:
            return _HAND_OVER
        return int(_HAND_OVER_S / each) or 1

    def in_one_call(self, batch_size: int) -> int:
        """How many of a batch shared a call."""
        return 1 if self.one_by_one else batch_size

    def most_in_one_call(self, max_batch_size: int) -> int:
        """Observations that one call gets at most, where the server allows so many."""
        return self.in_one_call(min(self.max_batch, max_batch_size))

    def begin(self, batch_size: int) -> None:
        if not self.health.closed:
            self.health.begun()
        self.busy_lanes += 1
        self.in_flight += batch_size

    def end(self, batch_size: int, seconds: float, failed: int) -> None:
        """A batch is done; one that failed says nothing about how long work takes."""
        shared = self.in_one_call(batch_size)
        calls = batch_size // shared
        self.busy_lanes -= 1
        self.in_flight -= batch_size
        self.busy_s += seconds
        self.batches += calls
        self.failed += failed
        self.served += batch_size - failed
        if failed < batch_size:
            self.latency.learn(shared, seconds / calls)
        if math.isnan(self.mean_batch):
            self.mean_batch = float(shared)
        else:
            self.mean_batch += self._MEMORY * (shared - self.mean_batch)

    def update_utilization(self, now: float) -> None:
        """Bring `utilization` up to date: about once a second."""
        if self._updated is not None and now > self._updated[0] and self.lanes:
            then, busy_s = self._updated
            newest = min(1.0, (self.busy_s - busy_s) / ((now - then) * self.lanes))
            if math.isnan(self.utilization):
                self.utilization = newest
            else:
                self.utilization += self._UTILIZATION_MEMORY * (newest - self.utilization)
        self._updated = (now, self.busy_s)

    def batch_efficiency(self, most: int) -> float:
        """Observations per second of work, as a share of what batches of `most` would reach.

        (b / L(b)) / (most / L(most)) for the mean batch size b of late; NaN while unknown.
        """
        mean = self.latency.fixed + self.latency.per_observation * self.mean_batch
        full = self.latency.predict(most)
        if not mean > 0.0 or not full > 0.0:
            return math.nan
        return (self.mean_batch / mean) / (most / full)


def _compiled(info: ModelInfo) -> Specification:
    """The specification to check against; if it is wrong, an error in the log and no check."""
    try:
        return compile_specification(info.specification)
    except UsageError as error:
        _log.error("model %r: %s; observations are not checked against it", info.id, error)
        return ANYTHING
