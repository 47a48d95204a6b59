"""Sends an observation straight to its model if nobody waits.

Being put into the order of a scheduler and taken out of it again costs more than the call of a
model that takes under a millisecond, and changes nothing for one that takes longer. So an
observation that arrives while nobody waits is kept here, until batches are formed or anything else
happens. It then goes straight to its model, if the scheduler has nothing to decide about it
(`BatchScheduler.serve_lone`), or waits like all others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..clock import Clock
from ..request import InferenceRequest
from ..scheduler.batching import BatchScheduler
from ..tracking.models import ModelRecord

Give = Callable[[ModelRecord, list[InferenceRequest], float], None]


class NoBypass:
    """Everybody waits in the queue: for schedulers that always have something to decide."""

    def __init__(self, scheduler: BatchScheduler) -> None:
        self._scheduler = scheduler
        self.request: InferenceRequest | None = None  # that is kept here

    def enter(self, request: InferenceRequest) -> None:
        """A request was admitted."""
        self._scheduler.submit(request)

    def rejoin_queue(self) -> None:
        """Something else happens: whoever is kept here waits in the queue from now on."""

    def dispatch_directly(self) -> None:
        """Give the request that is kept here to its model, or let it wait in the queue."""


class Bypass(NoBypass):
    """Keeps the request that arrived last, while nobody waits. give: hands it to a model."""

    def __init__(
        self,
        scheduler: BatchScheduler,
        models: Mapping[str, ModelRecord],
        clock: Clock,
        give: Give,
    ) -> None:
        super().__init__(scheduler)
        self._models = models
        self._clock = clock
        self._give = give
        self._max_batch_size = scheduler.max_batch_size

    def enter(self, request: InferenceRequest) -> None:
        if self._scheduler.pending.size:
            self._scheduler.submit(request)
        else:
            self.request = request

    def rejoin_queue(self) -> None:
        if self.request is not None:
            request, self.request = self.request, None
            self._scheduler.submit(request)

    def dispatch_directly(self) -> None:
        request = self.request
        if request is None:
            return
        self.request = None
        scheduler, model = self._scheduler, self._models[request.model_id]
        if model.free and not model.placement.by_lane:
            limit = model.most_at_once(self._max_batch_size)
            now = self._clock.now()
            if scheduler.serve_lone(request, limit, now, model.latency):
                self._give(model, [request], now)
                return
        scheduler.submit(request)
