"""The interface the server drives: a choice for one model, made when that model is free."""

from __future__ import annotations

import logging
import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ..clock import Clock, SystemClock
from ..request import InferenceRequest
from ..tracking.latency import LatencyModel
from ..tracking.placement import Eligible
from .base import Scheduler
from .pending import Pending, Removed

if TYPE_CHECKING:
    from ..config.schema import SchedulingConfig

_log = logging.getLogger(__name__)

_waiting_since = attrgetter("waiting_since")


class BatchScheduler(Scheduler):
    """A strategy is `choose`: from those that wait for a model, who goes into its next batch.

    It also has the published five methods, for use without a server.
    """

    def __init__(self, config: SchedulingConfig, clock: Clock | None = None) -> None:
        self.config = config
        self.clock = clock or SystemClock()
        self.pending = Pending(config)

    @abstractmethod
    def choose(
        self, waiting: Sequence[InferenceRequest], limit: int, now: float, latency: LatencyModel
    ) -> list[InferenceRequest]:
        """At most `limit` of `waiting` (longest waiting first, never empty), first served first.

        A request that superseded another waits since that one came.

        Empty means: wait; `hold_until` then says until when.
        """

    @property
    def max_batch_size(self) -> int:
        """Most observations in one call, whatever the model could take."""
        return self.config.max_batch_size

    def hold_until(self, model_id: str) -> float:
        """When to ask again for a free model that was given nothing although requests wait.

        Monotonic seconds; inf means: only when another request arrives.
        """
        return math.inf

    def pick(
        self,
        model_id: str,
        limit: int,
        now: float,
        latency: LatencyModel,
        eligible: Eligible | None = None,
    ) -> list[InferenceRequest]:
        """The next batch for a model that is free; those in it no longer wait.

        eligible: from those that wait, those it may be given now.
        """
        self.pending.expire(now)
        waiting = sorted(self.pending.of(model_id), key=_waiting_since)
        if eligible is not None:
            waiting = eligible(waiting)
        if not waiting:
            return []
        batch = self.choose(waiting, limit, now, latency)
        self.pending.take(batch)
        return batch

    def take_removed(self) -> list[Removed]:
        """Those that left unserved since the last call."""
        return self.pending.take_removed()

    def put_back(self, request: InferenceRequest) -> None:
        """A request that was out already waits again."""
        self.pending.put_back(request)

    # --- the published five ---

    def submit(self, request: InferenceRequest) -> None:
        self.pending.add(request)

    def next_batch(self) -> list[InferenceRequest]:
        self.pending.take_removed()  # without a server, nobody else empties it
        now = self.clock.now()
        self.pending.expire(now)
        unknown = LatencyModel()
        for model_id in self.pending.models():
            batch = self.pick(model_id, self.max_batch_size, now, unknown)
            if batch:
                return batch
        return []

    def tick(self) -> None:
        self.pending.expire(self.clock.now())

    def status(self) -> dict[str, Any]:
        return {
            "strategy": self.config.strategy,
            "queue_len": len(self.pending),
            "queued_by_model": {name: self.pending.count(name) for name in self.pending.models()},
        }

    def queue_len(self) -> int:
        return len(self.pending)


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
