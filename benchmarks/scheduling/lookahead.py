"""A baseline: Lookahead, as the paper that introduced it and FleetVLA describe it.

Bansal et al., Action Chunk Scheduling for Batched Robot Policy Serving (arXiv 2608.00337), the
variant that looks one batch ahead: of the batches that could run now, the one whose new chunks are
executed most within the next second, weighted, per second that the model takes. Compared are the
batches that take, of every class of weights, those with the earliest deadlines.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence

from inferential_core.clock import Clock
from inferential_core.config.schema import SchedulingConfig
from inferential_core.request import InferenceRequest
from inferential_core.scheduler.base import register_scheduler
from inferential_core.scheduler.batching import BatchScheduler
from inferential_core.tracking.latency import LatencyModel
from inferential_core.tracking.timing import batch_seconds

LOOKAHEAD = "benchmark_lookahead"
HORIZON_S = 1.0


@register_scheduler(LOOKAHEAD)
class Lookahead(BatchScheduler):
    """`options.weights` lists the weights of the tiers; without it, a tier weighs 11^-tier."""

    def __init__(self, config: SchedulingConfig, clock: Clock | None = None) -> None:
        super().__init__(config, clock)
        self._horizons: dict[str, int] = {}
        self._weights: Sequence[float] = config.options.get("weights", ())

    def choose(
        self, waiting: Sequence[InferenceRequest], limit: int, now: float, latency: LatencyModel
    ) -> list[InferenceRequest]:
        seconds = batch_seconds(latency, limit)
        classes: defaultdict[int, list[InferenceRequest]] = defaultdict(list)
        for request in sorted(waiting, key=_deadline):
            of_class = classes[request.priority]
            if len(of_class) < limit:
                of_class.append(request)
        best: list[InferenceRequest] = []
        best_rate = -1.0
        for batch in _prefixes(list(classes.values()), limit):
            taken_s = seconds[len(batch)]
            rate = sum(self._executed(each, now, taken_s) for each in batch) / taken_s
            if rate > best_rate:
                best, best_rate = batch, rate
        return best

    def answered(self, request: InferenceRequest, now: float, horizon: int = 0) -> int:
        self._horizons[request.client_id] = horizon
        return 0

    def _executed(self, request: InferenceRequest, now: float, taken_s: float) -> float:
        """Weighted seconds within the horizon that the answer's new actions fill."""
        period = request.control_period_s
        arrives = taken_s + request.one_way_s
        left_s = (request.steps_remaining or 0) * period
        dry_at = request.received_at - request.one_way_s + left_s - now
        chunk_s = self._horizons.get(request.client_id, 1) * period
        begins = max(arrives, dry_at)
        ends = begins + max(0.0, chunk_s - max(0.0, dry_at - arrives))
        weights = self._weights
        tier = request.priority
        weight = weights[min(tier, len(weights) - 1)] if weights else 11.0**-tier
        return weight * max(0.0, min(HORIZON_S, ends) - begins)


def _deadline(request: InferenceRequest) -> tuple[float, float]:
    return request.deadline, request.waiting_since


def _prefixes(
    classes: list[list[InferenceRequest]], limit: int
) -> Iterator[list[InferenceRequest]]:
    for counts in itertools.product(*(range(len(each) + 1) for each in classes)):
        if 0 < sum(counts) <= limit:
            yield [each for own, count in zip(classes, counts) for each in own[:count]]
