"""Serves strict tiers, and first come first served within each tier."""

from __future__ import annotations

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


@register_scheduler("priority_tiered")
class PriorityTiered(BatchScheduler):
    """Tier 0 before tier 1 before ...

    A lower tier starves while a higher one keeps the model busy: that is what strict means. Where
    nobody may starve, `deadline_aware` respects tiers too.

    Priorities from `num_tiers` - 1 on share the last tier. O(log n) comparisons to submit, O(b)
    to form a batch. A client that sends observations of one model in several tiers gets their
    answers in order all the same: the oldest one takes the place of the one in the highest tier.
    """

    def __init__(self, config: SchedulingConfig, clock: Clock | None = None) -> None:
        # of each model, by tier, then waiting_since
        self._order: defaultdict[str, Ranking[InferenceRequest]] = defaultdict(Ranking)
        self._last = config.priority_tiered.num_tiers - 1
        super().__init__(config, clock)

    def entered(self, request: InferenceRequest) -> None:
        tier = min(request.priority, self._last)
        self._order[request.model_id].add(request, tier, request.waiting_since)

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
        return self.pending.in_clients_order(self._order[model_id].first(limit, allowed))
