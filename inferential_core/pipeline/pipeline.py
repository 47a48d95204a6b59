"""The way of an observation through the server:

    on_message     admission -> scheduler.submit, or bypass
    form_batches   scheduler.pick
    dispatch       dispatcher.submit
    on_completion  completion -> outcomes.settle -> reply -> transport.send

Owns no clock, socket, thread or lock itself, so that the whole way can be driven step by step in
tests: the event loop calls it, one thread at a time. Every observation ends in `Outcomes`, once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..clock import Clock
from ..decoding.ahead import NoDecoding
from ..dispatch.base import Batch, Completion, Dispatcher, ModelInfo
from ..errors import RejectedError, touchable
from ..log.throttled import ThrottledLog
from ..metrics.recorder import Recorder
from ..models.answers import as_exception
from ..request import InferenceRequest
from ..scheduler.batching import BatchScheduler
from ..security.authorization import Authorization
from ..status import Status
from ..tracking.clients import ClientRegistry
from ..tracking.models import BreakerRule, ModelRecord
from ..tracking.placement import Eligible
from ..transport.base import Transport
from ..wire.by_value import HandedIn
from ..wire.images import Buffer, EncodedImage
from .admission import Admission, unknown_model
from .bypass import Bypass, NoBypass
from .completion import CompletionHandler
from .housekeeping import Housekeeping
from .outcome import Outcomes

if TYPE_CHECKING:
    from ..config.schema import InferentialConfig

_log = logging.getLogger(__name__)


class Pipeline:
    """The state of a running server that concerns requests. Not for two threads at once."""

    def __init__(
        self,
        config: InferentialConfig,
        transport: Transport,
        scheduler: BatchScheduler,
        dispatcher: Dispatcher,
        clock: Clock,
        recorder: Recorder,
        authorization: Authorization | None = None,
        decoding: NoDecoding | None = None,
    ) -> None:
        tracking = config.response_tracking
        throttled = ThrottledLog(_log)
        self.clients = ClientRegistry(
            tracking.cadence_alpha,
            tracking.disconnect_timeout_s,
            overdue_multiplier=tracking.overdue_multiplier,
        )
        self._breaker = BreakerRule.of(config.health)
        self.models = {
            name: ModelRecord.of(info, self._breaker) for name, info in dispatcher.models().items()
        }
        self._config = config
        self._dispatcher = dispatcher
        self._clock = clock
        self._recorder = recorder
        self._decoding = decoding or NoDecoding()
        self._holds: dict[str, float] = {}  # model -> when to ask its scheduler again
        self._in_flight: dict[Batch, ModelRecord] = {}
        self._chosen: list[Batch] = []  # in flight, but not handed over yet
        # What becomes of a batch that could not be handed over; the loop has it wait for a turn.
        self.undelivered: Callable[[Completion], None] = self.on_completion
        self._outcomes = Outcomes(transport, self.clients, clock, recorder, throttled)
        self.ledger = self._outcomes.ledger
        self.recent = self._outcomes.recent
        self._completion = CompletionHandler(self._outcomes, clock, recorder, throttled)
        self._admission = Admission(
            config,
            self.clients,
            self.models,
            self._outcomes,
            recorder,
            throttled,
            authorization or Authorization(),
        )
        self.drain = self._admission.drain
        self._housekeeping = Housekeeping(
            self.clients, self.models, dispatcher, self._decoding, recorder, throttled
        )
        self._set_scheduler(scheduler)
        self._set_leases()

    def listen_to(self, operator: Callable[[str, str], str]) -> None:
        """Have `operator` answer what operators ask; it gets the request, and by which key."""
        self._admission.operators.answer = operator

    # --- the way of an observation ---

    def on_message(
        self,
        identity: bytes,
        came: Sequence[Buffer] | HandedIn,
        key: str = "",
        door: str = "",
    ) -> None:
        """Take in one message from a client. Never raises, whatever is in it.

        came: its frames, or what a door hands in. key: the public key its sender proved to have,
        where keys are used. door: the kind of the door by which it came in; empty for the socket.
        """
        now = self._clock.now()
        if self._bypass.request is not None:
            self._bypass.rejoin_queue()
        if self._housekeeping.idle:
            self._housekeeping.schedule(now)
        request = self._admission.admit(identity, came, key, self._pending, now, door)
        if request is None:
            return
        if self._decoding.active and EncodedImage in map(type, request.inputs.values()):
            self._enter_with_images(request)
        else:
            self._bypass.enter(request)

    def form_batches(self) -> None:
        """Choose a batch for every model that is free; `dispatch` hands them over."""
        if self._holds:
            self._holds.clear()
        if self._bypass.request is not None:
            self._bypass.dispatch_directly()
        pending = self._pending
        if pending.size:
            now = self._clock.now()
            for model in self.models.values():
                if pending.count(model.id):
                    model.placement.fill(partial(self._begin, model, now))
        if pending.removed:
            self._settle_removed()

    def dispatch(self) -> None:
        """Hand over what was chosen: apart, and last, as it wakes the threads that go on."""
        if self._chosen:
            for batch in self._chosen:
                try:
                    self._dispatcher.submit(batch)
                except BaseException as error:  # a dispatcher of the user's costs its batch only
                    self.undelivered(Completion.failed(batch, as_exception(error)))
            self._chosen.clear()

    def on_completion(self, completion: Completion) -> None:
        """Take in the results of a batch, and reply."""
        if self._bypass.request is not None:
            self._bypass.rejoin_queue()
        batch = completion.batch
        model = self._in_flight.pop(batch, None)
        if model is None:
            return  # settled already: a dispatcher may say it only once
        current = self.models.get(batch.model_id)
        retries = self._max_retries if current is model else 0  # another one may take others
        self._completion.handle(completion, model, self.scheduler, retries)
        if current is not model and current is not None:
            current.inherit(model)  # which was replaced meanwhile
        if self._decoding.full:
            self._decoding.give_up(())  # there is room again

    # --- steps of it ---

    def _enter_with_images(self, request: InferenceRequest) -> None:
        if not self.models[request.model_id].reads_pixels:
            self._bypass.enter(request)
            return
        self.scheduler.submit(request)
        if request in self.scheduler.pending:
            self._decoding.begin(request)

    def _begin(self, model: ModelRecord, now: float, lane: int, eligible: Eligible | None) -> bool:
        """Give the model what its scheduler chooses; False if it chooses nothing."""
        scheduler = self.scheduler
        if not (model.free and scheduler.pending.count(model.id)):
            return False
        if self._decoding.jobs:
            eligible = self._ready(model, eligible, now)
            if eligible is None:
                return False
        limit = model.most_at_once(scheduler.max_batch_size)
        requests = scheduler.pick(model.id, limit, now, model.latency, eligible)
        if not requests:
            if scheduler.pending.count(model.id):
                self._holds[model.id] = scheduler.hold_until(model.id)
            return False
        self._give(model, requests, now, lane)
        return True

    def _ready(self, model: ModelRecord, eligible: Eligible | None, now: float) -> Eligible | None:
        """As `eligible`, but without those whose images are being decoded; None: that is all."""
        waiting = self.scheduler.pending.of(model.id)
        ready = self._decoding.ready(waiting, now)
        if not ready:
            return None
        if len(ready) == len(waiting):
            return eligible or list
        allowed = frozenset(ready)

        def eligible_and_ready(requests: Sequence[InferenceRequest]) -> list[InferenceRequest]:
            chosen = requests if eligible is None else eligible(requests)
            return [request for request in chosen if request in allowed]

        return eligible_and_ready

    def _give(
        self, model: ModelRecord, requests: list[InferenceRequest], now: float, lane: int = 0
    ) -> None:
        for request in requests:
            request.dispatched_at = now
        if self._decoding.jobs:
            self._decoding.give_up(requests)
        model.begin(len(requests))
        if model.placement.by_lane:
            model.placement.begin(lane, requests)
        self._recorder.dispatched(model, len(requests), self._pending.size, now)
        batch = Batch(model.id, requests, now, lane)
        self._in_flight[batch] = model
        self._chosen.append(batch)

    def _settle_removed(self) -> None:
        removed = self.scheduler.collect_removed()
        if removed and self._decoding.jobs:
            self._decoding.give_up([request for request, _, _ in removed])
        for each in removed:
            self._outcomes.settle_unserved(*each)

    # --- time, and what is found out between two turns ---

    def on_timer(self) -> None:
        """Do what it is time for: expired requests, silent clients."""
        now = self._clock.now()
        self._bypass.rejoin_queue()
        self.scheduler.tick()
        self._settle_removed()
        self._housekeeping.run(self.scheduler, now)

    def next_timer(self) -> float:
        """Monotonic time at which `on_timer` and `form_batches` have something to do."""
        timer = self._housekeeping.next_at
        if self._pending.size:
            timer = min(timer, self._pending.next_expiry())
        if self._holds:
            timer = min(timer, *self._holds.values())
        return timer

    def has_free_lane(self) -> bool:
        """Whether some model could begin a batch at once."""
        for model in self.models.values():  # no generator: it costs more than all else here
            if model.free:
                return True
        return False

    def in_flight(self) -> int:
        """Observations that are with a model."""
        return sum(len(batch.requests) for batch in self._in_flight)

    # --- changes ---

    def update_models(self) -> None:
        """Take over that the dispatcher has other models, or says other things about them.

        What waits for one that went ends here; what it is at is still awaited.
        """
        self._bypass.rejoin_queue()
        try:
            infos: Mapping[str, ModelInfo] = dict(self._dispatcher.models())
        except BaseException as error:  # one of the user's: its models stay as they were
            told = "the dispatcher does not say which models it has"
            _log.error(told, exc_info=touchable(error))
            return
        for name, info in infos.items():
            known = self.models.get(name)
            if known is not None and known.generation == info.generation:
                known.update(info)
            else:
                self.models[name] = new = ModelRecord.of(info, self._breaker)
                if known is not None:
                    new.inherit(known)
                    self._check_again(new)
        for name in [name for name in self.models if name not in infos]:
            del self.models[name]
            self._holds.pop(name, None)
            for request in list(self.scheduler.pending.of(name)):
                reason = unknown_model(name, self.models)
                self.scheduler.pending.remove(request, Status.REJECTED, reason)
        self._set_lanes()
        self._set_leases()
        self._settle_removed()

    def _check_again(self, model: ModelRecord) -> None:
        """What waits was checked against what an earlier model of this id takes."""
        for request in list(self.scheduler.pending.of(model.id)):
            try:
                model.takes.check(request.inputs)
            except RejectedError as error:
                self.scheduler.pending.remove(request, Status.REJECTED, str(error))

    def use_scheduler(self, scheduler: BatchScheduler, config: InferentialConfig) -> None:
        """Change the strategy; whatever waits moves over to it."""
        self._bypass.rejoin_queue()
        self._settle_removed()
        waiting = self.scheduler.pending.drain()
        self.scheduler.close()
        self._config = config
        self._set_scheduler(scheduler)
        for request in waiting:  # oldest first: a custom scheduler keeps the order it is given
            scheduler.put_back(request)

    def begin_drain(self) -> None:
        """The server is about to end: tell those that have another one to go to."""
        self.drain.begin()

    def is_drained(self) -> bool:
        """Whether all have left that can, and nothing is left to answer to the others.

        Those are refused from the first time on that the first half is true.
        """
        if self.drain.to_leave():
            return False
        self.drain.close()
        return not (self.in_flight() or self.scheduler.pending.size)

    def unfinished(self) -> str:
        """What keeps it from being drained, in words."""
        observations = self.in_flight() + len(self.scheduler.pending)
        clients = len(self.drain.to_leave())
        return f"{clients} clients have not gone, {observations} observations are not answered"

    def reconfigure(self, config: InferentialConfig) -> None:
        """Go by other limits, clients, tracking, metrics, leases and health rules from now on."""
        tracking = config.response_tracking
        self._config = config
        self._admission.configure(config)
        self.clients.configure(
            tracking.cadence_alpha, tracking.disconnect_timeout_s, tracking.overdue_multiplier
        )
        self._recorder.enabled = config.metrics.enabled
        self._breaker = BreakerRule.of(config.health)
        for model in self.models.values():
            model.health.rule = self._breaker
        self._set_leases()

    def drop_all(self, reason: str) -> None:
        """End whatever waits or is with a model: the server stops."""
        self._bypass.rejoin_queue()
        self.scheduler.close()
        requests = self.scheduler.pending.drain()
        for batch, model in self._in_flight.items():
            requests.extend(batch.requests)
            model.busy_lanes -= 1
            model.in_flight -= len(batch.requests)
        self._in_flight.clear()
        self._chosen.clear()
        self._decoding.close()
        for request in requests:
            self._outcomes.settle(request, Status.DROPPED, reason)

    def _set_scheduler(self, scheduler: BatchScheduler) -> None:
        self._max_retries = self._config.scheduling.max_retries
        self.scheduler = self._admission.places.scheduler = scheduler
        self._pending = scheduler.pending
        self._bypass = NoBypass(scheduler)
        if scheduler.may_bypass_queue:
            self._bypass = Bypass(scheduler, self.models, self._clock, self._give)
        self._set_lanes()

    def _set_lanes(self) -> None:
        self.scheduler.lanes = {name: model.lanes for name, model in self.models.items()}

    def _set_leases(self) -> None:
        for model in self.models.values():
            specified = model.takes.valid_for_ms
            model.valid_for_ms = self._config.lease.granted_ms(model.id, specified)
