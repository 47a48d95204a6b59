"""The path of an observation through the server:

    on_message     decode -> intake -> scheduler.submit
    form_batches   scheduler.pick
    dispatch       dispatcher.submit
    on_completion  results -> settle -> encode -> transport.send

Owns no clock, socket, thread or lock itself, so that the whole path can be driven step by step in
tests: `engine` calls it, one thread at a time. Every observation ends in `settle`, once.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .clock import Clock
from .complaints import Complaints, told
from .dispatch.base import Batch, Completion, Dispatcher, Result
from .errors import MalformedError, ModelUnavailable, RejectedError
from .intake import Intake, unknown_model
from .measuring import Measuring
from .ordering import ReplyOrder
from .replies import Call, Replies
from .request import InferenceRequest
from .scheduler.batching import BatchScheduler
from .scheduler.hints import chunk_length
from .status import Status
from .tracking.clients import Client, ClientRegistry
from .tracking.ledger import Ledger
from .tracking.models import ModelRecord
from .tracking.placement import Eligible
from .transport.base import Transport
from .wire.images import Buffer
from .wire.observation import parse_observation

if TYPE_CHECKING:
    from .config.schema import InferentialConfig

_log = logging.getLogger(__name__)

_SWEEP_PERIOD_S = 1.0
_NOTHING: Mapping[str, Any] = {}

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
        measuring: Measuring,
    ) -> None:
        tracking = config.response_tracking
        self.scheduler = scheduler
        self.ledger = Ledger()
        self.clients = ClientRegistry(tracking.cadence_alpha, tracking.disconnect_timeout_s)
        self._breaker = config.health.as_rule()
        self.models = {
            name: ModelRecord.of(info, self._breaker) for name, info in dispatcher.models().items()
        }
        self._config = config
        self._intake = Intake(config)
        self._transport = transport
        self._dispatcher = dispatcher
        self._clock = clock
        self._measuring = measuring
        self._holds: dict[str, float] = {}  # model -> when to ask its scheduler again
        self._next_sweep = math.inf
        self._replies = Replies(clock)
        self._order = ReplyOrder()
        self._in_flight: dict[Batch, ModelRecord] = {}
        self._chosen: list[Batch] = []  # in flight, but not handed over yet
        self._complaints = Complaints(_log)
        self._tell_lanes()

    # --- in ---

    def on_message(self, identity: bytes, frames: Sequence[Buffer]) -> None:
        """One message from a client. Never raises, whatever is in it."""
        now = self._clock.now()
        try:
            message = parse_observation(frames)
        except MalformedError as error:
            self.ledger.malformed += 1
            self._measuring.count("observation_errors", now)
            _log.debug("malformed message from %r: %s", identity, error)
            return
        client_id = message.client.id or f"anonymous-{identity.hex()}"
        client = self.clients.heard(client_id, identity, now)
        client.type = message.client.type
        if message.session and message.session != client.session:
            self._on_new_session(client, message.session, now)
        request = self._intake.request(message, client_id, identity, now)
        self.ledger.received += 1
        client.received += 1
        client.open += 1
        if self._next_sweep == math.inf:
            self._next_sweep = now + _SWEEP_PERIOD_S
        try:
            self._intake.admit(request, message, frames, self.models, client.open)
            if not message.describe_model:
                self.models[request.model_id].check(request.inputs)
        except Exception as error:
            if not isinstance(error, RejectedError):
                self._complaints.tell(now, "an observation could not be read", error)
            self._measuring.count("observation_errors", now, self._measuring.labels(request))
            self.settle(request, Status.REJECTED, str(error))
            return
        if message.describe_model:
            told = json.dumps(self.models[request.model_id].specification)
            self.settle(request, Status.OK, values={"specification": told})
            return
        refusal = self.models[request.model_id].health.refusal(now)
        if refusal:
            self._measuring.count("requests_refused", now, self._measuring.labels(request))
            self.settle(request, Status.ERROR, refusal)
            return
        cadence = self.clients.observed(client, request.model_id, now)
        request.first_of_episode = client.epochs.get(request.model_id) != request.epoch
        client.epochs[request.model_id] = request.epoch
        self._intake.schedule(request, message, cadence)
        self._measuring.admitted(request, sum(map(len, frames[2:])))
        if not request.request_id:
            self._order.begin(request)
        self.scheduler.submit(request)

    def _on_new_session(self, client: Client, session: int, now: float) -> None:
        """Somebody else speaks under this id: a rebooted robot, or a second one that took it."""
        if client.session:
            client.takeovers += 1
            self._measuring.count("client_takeovers", now, {"client": client.id})
            self._complaints.tell(now, f"client {client.id!r} was taken over by a new connection")
            self.scheduler.pending.remove_client(client.id, "another connection took this id over")
            client.epochs.clear()
            for model in self.models.values():
                if model.placement is not None:
                    model.placement.begin_anew(client.id)
        client.session = session

    # --- through ---

    def form_batches(self) -> None:
        """Choose a batch for every model that is free; `dispatch` hands them over."""
        scheduler = self.scheduler
        self._holds.clear()
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

    def _begin(
        self, model: ModelRecord, now: float, lane: int = 0, eligible: Eligible | None = None
    ) -> bool:
        """Give the model what its scheduler chooses; False if it chooses nothing."""
        scheduler = self.scheduler
        limit = min(model.most_at_once(), scheduler.max_batch_size)
        requests = scheduler.pick(model.id, limit, now, model.latency, eligible)
        if not requests:
            if scheduler.pending.count(model.id):
                self._holds[model.id] = scheduler.hold_until(model.id)
            return False
        for request in requests:
            request.dispatched_at = now
        model.begin(len(requests))
        if model.placement is not None:
            model.placement.begin(lane, requests)
        self._measuring.dispatched(model, requests, len(scheduler.pending), now)
        batch = Batch(model.id, requests, now, lane)
        self._in_flight[batch] = model
        self._chosen.append(batch)
        return True

    def dispatch(self) -> None:
        """Hand over what was chosen: apart, and last, as it wakes the threads that go on."""
        for batch in self._chosen:
            self._dispatcher.submit(batch)
        self._chosen.clear()

    def on_timer(self) -> None:
        """Whatever is due: expired requests, silent clients."""
        now = self._clock.now()
        self.scheduler.tick()
        self._settle_removed()
        if now >= self._next_sweep:
            for client in self.clients.sweep(now):
                self._measuring.count("client_disconnected", now, {"client": client.id})
            self._look_after_models(now)
            active = self.clients.active()
            self._measuring.count("active_clients", now, value=active)
            self._next_sweep = now + _SWEEP_PERIOD_S if active else math.inf

    def _look_after_models(self, now: float) -> None:
        """Now and then: how they do, and which of their clients left."""
        for model in self.models.values():
            self._measuring.health(model, now)
            headroom = self.scheduler.headroom(model.id, now, model.latency)
            if headroom == headroom:  # known
                self._measuring.count("model_headroom", now, model.labels, headroom)
            if model.placement is None:
                continue
            for client_id in model.placement.clients():
                client = self.clients.by_id.get(client_id)
                if client is None or not (client.connected or client.open):
                    lane = model.placement.forget(client_id)
                    if lane is not None:
                        self._dispatcher.forget(model.id, client_id, lane)

    def next_timer(self) -> float:
        """Monotonic time at which `on_timer` and `form_batches` have something to do."""
        timer = self._next_sweep
        if len(self.scheduler.pending):
            timer = min(timer, self.scheduler.pending.next_expiry())
        if self._holds:
            timer = min(timer, *self._holds.values())
        return timer

    # --- out ---

    def on_completion(self, completion: Completion) -> None:
        """The results of a batch."""
        batch = completion.batch
        model = self._in_flight.pop(batch, None)
        if model is None:
            return  # settled already: a dispatcher may say it only once
        size = len(batch.requests)
        results = _as_many(completion.results, size)
        together = model.in_one_call(size)
        call = Call(
            completion.version or model.version, together, completion.duration * together / size
        )
        failed = failures = 0
        for request, result in zip(batch.requests, results):
            if isinstance(result, Exception):
                failed += 1
                failures += self._failed(model, request, result)
            else:
                self._succeeded(request, result, call)
        model.end(size, completion.duration, failed)
        if model.placement is not None:
            lost = any(isinstance(result, ModelUnavailable) for result in results)
            model.placement.end(batch.lane, lost)
        self._judge(model, size - failed, failures, call)

    def _judge(self, model: ModelRecord, succeeded: int, failures: int, call: Call) -> None:
        """What a call says of the model; while its circuit is open nobody waits for it."""
        now = self._clock.now()
        health = model.health
        if succeeded:
            if health.succeeded(succeeded, call.seconds):
                _log.warning("model %r answers again", model.id)
                self._measuring.count("circuit_closed", now, model.labels)
        elif health.batch_failed(failures, now):
            _log.error("model %r: %s", model.id, health.refusal(now))
            self._measuring.count("circuit_opened", now, model.labels)
            for request in list(self.scheduler.pending.of(model.id)):
                self.scheduler.pending.remove(request, Status.ERROR, health.refusal(now))

    def _succeeded(self, request: InferenceRequest, values: Mapping[str, Any], call: Call) -> None:
        if request.control_period_s:
            horizon = chunk_length(values)
            now = self._clock.now()
            request.requery_after_steps = self.scheduler.answered(request, now, horizon)
        try:
            self.settle(request, Status.OK, values=values, call=call)
        except Exception as error:  # only where a dispatcher did not check them
            self.settle(request, Status.ERROR, f"the result cannot be sent: {error}")

    def _failed(self, model: ModelRecord, request: InferenceRequest, error: Exception) -> bool:
        """Settle or retry it; whether the model is to blame."""
        reason = told(error)
        if isinstance(error, RejectedError):
            self.settle(request, Status.REJECTED, str(error))
            return False
        now = self._clock.now()
        model.health.failed(request.client_id, error, reason, now)
        self._complaints.tell(now, f"model {model.id!r} failed on {request.client_id!r}", error)
        labels = self._measuring.labels(request)
        self._measuring.count("dispatch_errors", now, labels)
        retries = self._config.scheduling.max_retries if request.model_id in self.models else 0
        if request.retry_count < retries and not model.health.refusal(now):
            request.retry_count += 1
            self._measuring.count("dispatch_retries", now, labels)
            self.scheduler.put_back(request)
        else:
            self.settle(request, Status.ERROR, reason)
        return True

    def _settle_removed(self) -> None:
        for request, status, reason in self.scheduler.take_removed():
            name = _METRIC_OF_REMOVAL.get(status)
            if name is not None:
                labels = self._measuring.labels(request)
                self._measuring.count(name, self._clock.now(), labels)
            self.settle(request, status, reason)

    def settle(
        self,
        request: InferenceRequest,
        status: Status,
        error: str = "",
        values: Mapping[str, Any] | None = None,
        call: Call | None = None,
    ) -> None:
        """The one end of every observation: counted, and told to a client that understands it.

        WireError if `values` cannot be sent; then nothing has happened.
        """
        now = self._clock.now()
        frames: Sequence[Buffer] | None = None
        if status is Status.OK or request.request_id:  # a published client knows results only
            frames = self._replies.frames(request, status, error, values or {}, call, now)
        # Before the client hears: who has the reply finds it measured, and its next image room.
        self._measuring.ended(request, status, call, now)
        request.inputs = _NOTHING
        if request.request_id and frames is not None:
            self._send(request, frames, now)
        else:
            for each, reply in self._order.end(request, frames):
                self._send(each, reply, now)
        self.ledger.outcomes[status] += 1
        client = self.clients.by_id.get(request.client_id)
        if client is None:
            return
        client.open -= 1
        client.settle(status, error)
        if call is not None and status is Status.OK:
            if now <= request.deadline:
                client.deadline_hits += 1
            else:
                client.deadline_misses += 1

    def _send(self, request: InferenceRequest, frames: Sequence[Buffer], now: float) -> None:
        if not self._transport.send(request.identity, frames):
            self.ledger.undelivered += 1
            self._measuring.count("replies_undelivered", now, self._measuring.labels(request))

    # --- aside ---

    def has_free_lane(self) -> bool:
        """Whether some model could begin a batch at once."""
        return any(model.free for model in self.models.values())

    def update_models(self) -> None:
        """The dispatcher has other models now, or tells other things about them.

        What waits for one that went ends here; what it is at is still awaited.
        """
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
        self._settle_removed()
        waiting = self.scheduler.pending.drain()
        self.scheduler.close()
        self._config = config
        self.scheduler = scheduler
        self._tell_lanes()
        for request in waiting:  # oldest first: a custom scheduler keeps the order it is given
            scheduler.put_back(request)

    def drop_all(self, reason: str) -> None:
        """The server stops: whatever waits or is with a model ends here."""
        self.scheduler.close()
        requests = self.scheduler.pending.drain()
        for batch, model in self._in_flight.items():
            requests.extend(batch.requests)
            model.busy_lanes -= 1
            model.in_flight -= len(batch.requests)
        self._in_flight.clear()
        self._chosen.clear()
        for request in requests:
            self.settle(request, Status.DROPPED, reason)

    def in_flight(self) -> int:
        return sum(len(batch.requests) for batch in self._in_flight)


def _as_many(results: Sequence[Result], count: int) -> Sequence[Result]:
    """One result for each request, whatever the dispatcher returned."""
    if len(results) == count:
        return results
    reason = RuntimeError(f"the dispatcher returned {len(results)} results for {count} requests")
    return [reason] * count
