"""Groups requests per model and flushes a group on size or time."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from ..clock import Clock
from ..request import InferenceRequest
from ..tracking.latency import LatencyModel
from .base import register_scheduler
from .batching import Allowed, BatchScheduler
from .ranking import Ranking

if TYPE_CHECKING:
    from ..config.schema import SchedulingConfig


@register_scheduler("batch_optimized")
class BatchOptimized(BatchScheduler):
    """Oldest first, once `max_batch_size` of them wait or the oldest waited `max_wait_ms`.

    O(log n) comparisons to submit, O(b) to form a batch. Nobody starves: with n waiting before
    it, a request is in one of the next n / b + 1 batches, as nothing overtakes it.
    """

    def __init__(self, config: SchedulingConfig, clock: Clock | None = None) -> None:
        # of each model, by waiting_since
        self._order: defaultdict[str, Ranking[InferenceRequest]] = defaultdict(Ranking)
        super().__init__(config, clock)

    @property
    def max_batch_size(self) -> int:
        return self.config.batch_optimized.max_batch_size or super().max_batch_size

    def entered(self, request: InferenceRequest) -> None:
        self._order[request.model_id].add(request, request.waiting_since)

    def left(self, request: InferenceRequest) -> None:
        self._order[request.model_id].discard(request)

    def form(
        self,
        model_id: str,
        limit: int,
        now: float,
        latency: LatencyModel,
        allowed: Allowed | None = None,
    ) -> list[InferenceRequest]:
        order = self._order[model_id]
        size = min(limit, self.max_batch_size)
        chosen = order.first(size, allowed)
        if len(chosen) < size and now < self._flush_at(chosen[0]):
            return []
        return chosen

    def hold_until(self, model_id: str) -> float:
        order = self._order.get(model_id)
        if not order:
            return math.inf
        return self._flush_at(order.first(1)[0])

    def _flush_at(self, head: InferenceRequest) -> float:
        return head.waiting_since + self.config.batch_optimized.max_wait_ms / 1000.0
