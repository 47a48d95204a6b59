"""Groups requests per model and flushes a group on size or time."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from ..request import InferenceRequest
from ..tracking.latency import LatencyModel
from .base import register_scheduler
from .batching import BatchScheduler


@register_scheduler("batch_optimized")
class BatchOptimized(BatchScheduler):
    """Oldest first, once `max_batch_size` of them wait or the oldest waited `max_wait_ms`."""

    @property
    def max_batch_size(self) -> int:
        own = self.config.batch_optimized  # wins where it was given, else the common one counts
        given = "max_batch_size" in own.model_fields_set
        return own.max_batch_size if given else super().max_batch_size

    def choose(
        self, waiting: Sequence[InferenceRequest], limit: int, now: float, latency: LatencyModel
    ) -> list[InferenceRequest]:
        size = min(limit, self.max_batch_size)
        if len(waiting) < size and now < self._flush_at(waiting[0]):
            return []
        return list(waiting[:size])

    def hold_until(self, model_id: str) -> float:
        return self._flush_at(min(self.pending.of(model_id), key=attrgetter("waiting_since")))

    def _flush_at(self, head: InferenceRequest) -> float:
        return head.waiting_since + self.config.batch_optimized.max_wait_ms / 1000.0
