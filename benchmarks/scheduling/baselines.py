"""What others do: the schedulers that ours is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from inferential_core.request import InferenceRequest
from inferential_core.scheduler.base import register_scheduler
from inferential_core.scheduler.batching import BatchScheduler
from inferential_core.tracking.latency import LatencyModel

_since = attrgetter("waiting_since")
_due = attrgetter("deadline", "waiting_since")


@register_scheduler("benchmark_fifo")
class FifoGreedy(BatchScheduler):
    """Oldest first, as many as the model takes, as soon as it is free."""

    def choose(
        self, waiting: Sequence[InferenceRequest], limit: int, now: float, latency: LatencyModel
    ) -> list[InferenceRequest]:
        return sorted(waiting, key=_since)[:limit]


@register_scheduler("benchmark_edf")
class EdfGreedy(BatchScheduler):
    """Earliest deadline first, as many as the model takes, as soon as it is free."""

    def choose(
        self, waiting: Sequence[InferenceRequest], limit: int, now: float, latency: LatencyModel
    ) -> list[InferenceRequest]:
        return sorted(waiting, key=_due)[:limit]
