"""Strict tiers, first come first served within each."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from ..request import InferenceRequest
from ..tracking.latency import LatencyModel
from .base import register_scheduler
from .batching import BatchScheduler


@register_scheduler("priority_tiered")
class PriorityTiered(BatchScheduler):
    """Tier 0 before tier 1 before ...; a lower tier starves while a higher one has work.

    Priorities from `num_tiers` - 1 on share the last tier. O(n log b) per batch.
    """

    def choose(
        self, waiting: Sequence[InferenceRequest], limit: int, now: float, latency: LatencyModel
    ) -> list[InferenceRequest]:
        last = self.config.priority_tiered.num_tiers - 1
        # nsmallest is stable, and `waiting` is longest waiting first
        return heapq.nsmallest(limit, waiting, key=lambda request: min(request.priority, last))
