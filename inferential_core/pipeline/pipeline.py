"""The path of an observation through the server:

    on_message     arrivals -> scheduler.submit
    form_batches   scheduler.pick
    dispatch       dispatcher.submit
    on_completion  returns -> outcomes.settle -> encode -> transport.send

Owns no clock, socket, thread or lock itself, so that the whole path can be driven step by step in
tests: `engine` calls it, one thread at a time. Every observation ends in `outcomes`, once.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..clock import Clock
from ..dispatch.base import Batch, Completion, Dispatcher
from ..log.throttled import ThrottledLog
from ..metrics.recorder import Recorder
from ..request import InferenceRequest
from ..scheduler.batching import BatchScheduler
from ..status import Status
from ..tracking.clients import ClientRegistry
from ..tracking.models import ModelRecord
from ..tracking.placement import Eligible
from ..transport.base import Transport
from ..wire.images import Buffer
from .admission import unknown_model
from .arrivals import Arrivals
from .completion import CompletionHandler
from .housekeeping import Housekeeping
from .outcome import Outcomes

if TYPE_CHECKING:
    from ..config.schema import InferentialConfig
    from ..security.guard import Authorization

_log = logging.getLogger(__name__)

_METRIC_OF_REMOVAL = {Status.EXPIRED: "requests_expired", Status.DROPPED: "queue_full_drops"}


class Pipeline:
    """The state of a running server that concerns requests. Not for two threads at once."""

    def __init__(
        self,
        config: InferentialConfig,
        transport: Transport,
        scheduler: BatchScheduler,
        dispatcher: Dispatcher,
        clock: Clock,
        measuring: Recorder,
        guard: Authorization | None = None,
    ) -> None:
        tracking = config.response_tracking
        self.scheduler = scheduler
        self.clients = ClientRegistry(
            tracking.cadence_alpha,
            tracking.disconnect_timeout_s,
            overdue_multiplier=tracking.overdue_multiplier,
        )
        self._breaker = config.health.as_rule()
        self.models = {
            name: ModelRecord.of(info, self._breaker) for name, info in dispatcher.models().items()
        }
        self._config = config
        self._dispatcher = dispatcher
        self._clock = clock
        self._measuring = measuring
        self._holds: dict[str, float] = {}  # model -> when to ask its scheduler again
        self._in_flight: dict[Batch, ModelRecord] = {}
        self._chosen: list[Batch] = []  # in flight, but not handed over yet
        self._lone: InferenceRequest | None = None  # arrived last, while nobody waited
        self._throttled = ThrottledLog(_log)
        self._outcomes = Outcomes(transport, self.clients, clock, measuring)
        self.ledger = self._outcomes.ledger
        self.recent = self._outcomes.recent
        self._returns = CompletionHandler(self._outcomes, clock, measuring, self._throttled)
        self._arrivals = Arrivals(
            config, self.clients, self.models, self._outcomes, measuring, self._throttled, guard
        )
        self._upkeep = Housekeeping(
            self.clients, self.models, dispatcher, measuring, self._throttled
        )
        self._tell_lanes()

    # --- in ---

    def on_message(self, identity: bytes, frames: Sequence[Buffer], key: str = "") -> None:
        """One message from a client. Never raises, whatever is in it.

        key: the public key its sender proved to have, where keys are used.
        """
        now = self._clock.now()
        self._line_up()
        self._upkeep.expect(now)
        scheduler = self.scheduler
        request = self._arrivals.take(identity, frames, key, scheduler.pending, now)
        if request is None:
            return
        if scheduler.may_bypass_queue and not len(scheduler.pending):
            self._lone = request
        else:
            scheduler.submit(request)

    def _line_up(self) -> None:
        """It is not alone any more, or cannot be served at once: it waits like all others."""
        if self._lone is not None:
            lone, self._lone = self._lone, None
            self.scheduler.submit(lone)

    # --- through ---

    def form_batches(self) -> None:
        """Choose a batch for every model that is free; `dispatch` hands them over."""
        scheduler = self.scheduler
        self._holds.clear()
        lone, self._lone = self._lone, None
        if lone is not None and not self._pass(lone):
            scheduler.submit(lone)
        if len(scheduler.pending):
            now = self._clock.now()
            for model in self.models.values():
                if model.placement is None:
                    while model.free and scheduler.pending.count(model.id):
                        if not self._begin(model, now):
                            break
                elif scheduler.pending.count(model.id):
                    for lane in model.placement.free_lanes():
                        if model.free:
                            self._begin(model, now, lane, model.placement.eligible(lane))
        self._settle_removed()

    def _pass(self, request: InferenceRequest) -> bool:
        """Give the model the only request there is, if its scheduler has nothing to decide."""
        model = self.models[request.model_id]
        if model.placement is not None or not model.free:
            return False
        now = self._clock.now()
        if not self.scheduler.bypass(request, self._most_at_once(model), now, model.latency):
            return False
        self._give(model, [request], now)
        return True

    def _most_at_once(self, model: ModelRecord) -> int:
        limit = model.most_at_once()
        return limit if model.one_by_one else min(limit, self.scheduler.max_batch_size)

    def _begin(
        self, model: ModelRecord, now: float, lane: int = 0, eligible: Eligible | None = None
    ) -> bool:
        """Give the model what its scheduler chooses; False if it chooses nothing."""
        scheduler = self.scheduler
        limit = self._most_at_once(model)
        requests = scheduler.pick(model.id, limit, now, model.latency, eligible)
        if not requests:
            if scheduler.pending.count(model.id):
                self._holds[model.id] = scheduler.hold_until(model.id)
            return False
        self._give(model, requests, now, lane)
        return True

    def _give(
        self, model: ModelRecord, requests: list[InferenceRequest], now: float, lane: int = 0
    ) -> None:
        for request in requests:
            request.dispatched_at = now
        model.begin(len(requests))
        if model.placement is not None:
            model.placement.begin(lane, requests)
        self._measuring.dispatched(model, len(requests), len(self.scheduler.pending), now)
        batch = Batch(model.id, requests, now, lane)
        self._in_flight[batch] = model
        self._chosen.append(batch)

    def dispatch(self) -> None:
        """Hand over what was chosen: apart, and last, as it wakes the threads that go on."""
        for batch in self._chosen:
            self._dispatcher.submit(batch)
        self._chosen.clear()

    def on_timer(self) -> None:
        """Whatever is due: expired requests, silent clients."""
        now = self._clock.now()
        self._line_up()
        self.scheduler.tick()
        self._settle_removed()
        self._upkeep.run(self.scheduler, now)

    def next_timer(self) -> float:
        """Monotonic time at which `on_timer` and `form_batches` have something to do."""
        timer = self._upkeep.next_at
        if len(self.scheduler.pending):
            timer = min(timer, self.scheduler.pending.next_expiry())
        if self._holds:
            timer = min(timer, *self._holds.values())
        return timer

    # --- out ---

    def on_completion(self, completion: Completion) -> None:
        """The results of a batch."""
        self._line_up()
        batch = completion.batch
        model = self._in_flight.pop(batch, None)
        if model is None:
            return  # settled already: a dispatcher may say it only once
        retries = self._config.scheduling.max_retries if batch.model_id in self.models else 0
        self._returns.take(completion, model, self.scheduler, retries)

    def _settle_removed(self) -> None:
        removed = self.scheduler.take_removed()
        now = self._clock.now() if removed else 0.0
        for request, status, reason in removed:
            name = _METRIC_OF_REMOVAL.get(status)
            if name is not None:
                labels = self._measuring.labels(request)
                self._measuring.count(name, now, labels)
                self._throttled.log_outcome(now, request, status, reason)
            self._outcomes.settle(request, status, reason)

    # --- aside ---

    def has_free_lane(self) -> bool:
        """Whether some model could begin a batch at once."""
        return any(model.free for model in self.models.values())

    def update_models(self) -> None:
        """The dispatcher has other models now, or tells other things about them.

        What waits for one that went ends here; what it is at is still awaited.
        """
        self._line_up()
        infos = self._dispatcher.models()
        for name, info in infos.items():
            if name in self.models:
                self.models[name].update(info)
            else:
                self.models[name] = ModelRecord.of(info, self._breaker)
        for name in [name for name in self.models if name not in infos]:
            del self.models[name]
            self._holds.pop(name, None)
            for request in list(self.scheduler.pending.of(name)):
                reason = unknown_model(name, self.models)
                self.scheduler.pending.remove(request, Status.REJECTED, reason)
        self._tell_lanes()
        self._settle_removed()

    def _tell_lanes(self) -> None:
        self.scheduler.lanes = {name: model.lanes for name, model in self.models.items()}

    def use_scheduler(self, scheduler: BatchScheduler, config: InferentialConfig) -> None:
        """Change the strategy; whatever waits moves over."""
        self._line_up()
        self._settle_removed()
        waiting = self.scheduler.pending.drain()
        self.scheduler.close()
        self._config = config
        self.scheduler = scheduler
        self._tell_lanes()
        for request in waiting:  # oldest first: a custom scheduler keeps the order it is given
            scheduler.put_back(request)

    def reconfigure(self, config: InferentialConfig) -> None:
        """Other limits, clients, tracking, metrics and health rules, from now on."""
        tracking = config.response_tracking
        self._config = config
        self._arrivals.configure(config)
        self.clients.configure(
            tracking.cadence_alpha, tracking.disconnect_timeout_s, tracking.overdue_multiplier
        )
        self._measuring.enabled = config.metrics.enabled
        self._breaker = config.health.as_rule()
        for model in self.models.values():
            model.health.rule = self._breaker

    def drop_all(self, reason: str) -> None:
        """The server stops: whatever waits or is with a model ends here."""
        self._line_up()
        self.scheduler.close()
        requests = self.scheduler.pending.drain()
        for batch, model in self._in_flight.items():
            requests.extend(batch.requests)
            model.busy_lanes -= 1
            model.in_flight -= len(batch.requests)
        self._in_flight.clear()
        self._chosen.clear()
        for request in requests:
            self._outcomes.settle(request, Status.DROPPED, reason)

    def in_flight(self) -> int:
        return sum(len(batch.requests) for batch in self._in_flight)
