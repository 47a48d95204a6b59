"""Drives a scheduler of the user's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..clock import Clock
from ..request import InferenceRequest
from ..tracking.latency import LatencyModel
from .base import Scheduler
from .batching import BatchScheduler

if TYPE_CHECKING:
    from ..config.schema import SchedulingConfig

_log = logging.getLogger(__name__)


class CustomScheduler(BatchScheduler):
    """Drives a user's five-method scheduler as if it were one of ours.

    What it raises costs only the requests at hand; what it forgets expires; what it returns twice
    or never got is ignored. Its batches may mix models: each model takes its own from them.
    """

    TICK_S = 0.01  # how soon it is asked again after it gave a free model nothing
    ASKS = 1000  # times it is asked in a row for something to serve

    def __init__(
        self, user: Scheduler, config: SchedulingConfig, clock: Clock | None = None
    ) -> None:
        super().__init__(config, clock)
        self.user = user
        self._ready: dict[str, list[InferenceRequest]] = {}
        self._complained: set[str] = set()

    def submit(self, request: InferenceRequest) -> None:
        if self.pending.add(request):
            self._call("submit", request)

    def put_back(self, request: InferenceRequest) -> None:
        if self.pending.put_back(request):
            self._call("submit", request)

    def tick(self) -> None:
        super().tick()
        self._call("tick")

    def status(self) -> dict[str, Any]:
        return {**super().status(), "custom": self._call("status")}

    def choose(
        self, waiting: Sequence[InferenceRequest], limit: int, now: float, latency: LatencyModel
    ) -> list[InferenceRequest]:
        model_id = waiting[0].model_id
        ready = self._alive(model_id)
        # What it returns may be over or for other models: ask until it has nothing new.
        seen: set[InferenceRequest] = set()
        for _ in range(self.ASKS):
            batch = [] if ready else [each for each in self._next_batch() if each not in seen]
            if not batch:
                break
            seen.update(batch)
            for request in batch:
                if request in self.pending:
                    self._ready.setdefault(request.model_id, []).append(request)
            ready = self._alive(model_id)
        allowed = set(waiting)  # of a stateful model only those whose lane is free
        batch = [request for request in ready if request in allowed][:limit]
        taken = set(batch)
        self._ready[model_id] = [request for request in ready if request not in taken]
        return batch

    def hold_until(self, model_id: str) -> float:
        return self.clock.now() + self.TICK_S

    def _alive(self, model_id: str) -> list[InferenceRequest]:
        """Those the user chose that still wait, each once."""
        ready = self._ready.get(model_id, ())
        return [request for request in dict.fromkeys(ready) if request in self.pending]

    def _next_batch(self) -> list[InferenceRequest]:
        batch = self._call("next_batch", then=list) or []
        return [request for request in batch if isinstance(request, InferenceRequest)]

    def _call(self, method: str, *args: Any, then: Callable[[Any], Any] | None = None) -> Any:
        try:
            answer = getattr(self.user, method)(*args)
            return answer if then is None or answer is None else then(answer)
        except (Exception, SystemExit):
            if method not in self._complained:
                self._complained.add(method)
                _log.exception("%s.%s raised; further ones are not logged", self.user, method)
            return None
