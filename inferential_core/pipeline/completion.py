"""What comes back from a model: results go to their clients, failures to the queue again, and the
model's record learns from all of it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ..clock import Clock
from ..dispatch.base import Completion
from ..errors import ModelUnavailable, RejectedError, describe, text_of
from ..log.throttled import ThrottledLog, about
from ..metrics.recorder import Recorder
from ..process.users_code import shown
from ..request import Call, InferenceRequest
from ..scheduler.batching import BatchScheduler
from ..status import Status
from ..tracking.models import ModelRecord
from ..tracking.recent import Served
from .outcome import Outcomes

_log = logging.getLogger(__name__)


class CompletionHandler:
    """Takes in completed batches."""

    def __init__(
        self, outcomes: Outcomes, clock: Clock, recorder: Recorder, throttled: ThrottledLog
    ) -> None:
        self._outcomes = outcomes
        self._clock = clock
        self._recorder = recorder
        self._throttled = throttled

    def handle(
        self, completion: Completion, model: ModelRecord, scheduler: BatchScheduler, retries: int
    ) -> None:
        """End what a batch answered; what failed goes back to the scheduler `retries` times."""
        batch = completion.batch
        size = len(batch.requests)
        results = completion.results
        if len(results) != size:
            reason = f"the dispatcher returned {len(results)} results for {size} requests"
            results = [RuntimeError(reason)] * size
        together = 1 if model.one_by_one else size
        call_s = completion.duration * together / size
        call = Call(completion.version or model.version, together, call_s, model.valid_for_ms)
        failed = failures = 0
        for request, result in zip(batch.requests, results):
            if isinstance(result, Exception):
                failed += 1
                failures += self._failed(model, request, result, scheduler, retries)
            else:
                self._succeeded(request, result, call, scheduler)
        model.end(size, completion.duration, failed)
        if model.placement.by_lane:
            lost = any(isinstance(result, ModelUnavailable) for result in results)
            model.placement.end(batch.lane, lost)
        which = [isinstance(result, Exception) for result in results] if failed else None
        self._outcomes.recent.served(Served(self._clock.now(), batch, call_s, together, which))
        # Learn what the call says of the model's health.
        if failed < size:
            if model.health.succeeded(size - failed, call_s):
                _log.warning("model %r answers again", model.id)
                self._recorder.count("circuit_closed", self._clock.now(), model.labels)
        else:
            self._answered_nothing(model, failures, scheduler)

    def _succeeded(
        self,
        request: InferenceRequest,
        values: Mapping[str, Any],
        call: Call,
        scheduler: BatchScheduler,
    ) -> None:
        horizon, period_s = 0, request.control_period_s
        if period_s:
            horizon = chunk_length(values)
            said = values.get("trusted_steps")
            if horizon and said is not None:
                horizon = self._trusted_steps(request, said, horizon)
                lease_ms = 1000.0 * horizon * period_s
                if not 0.0 < call.valid_for_ms <= lease_ms:
                    call = call._replace(valid_for_ms=lease_ms)
        now = self._clock.now()
        request.requery_after_steps = scheduler.answered(request, now, horizon)
        try:
            self._outcomes.settle(request, Status.OK, values=values, call=call)
        except Exception as error:  # only where a dispatcher did not check them
            reason = f"the result cannot be sent: {text_of(error)}"
            self._outcomes.settle(request, Status.ERROR, reason)

    def _trusted_steps(self, request: InferenceRequest, said: Any, horizon: int) -> int:
        """What `trusted_steps` says; logs where it is something else than is expected of it."""
        steps, is_clear = trusted_steps(said, horizon)
        if not is_clear:
            about_model = f"model {request.model_id!r} answered with trusted_steps"
            self._throttled.log(
                self._clock.now(),
                f"{about_model}={shown(said)[:60]}, which has to be one whole number from 1 on:"
                f" {steps} of the {horizon} actions are trusted",
                kind=about_model,
                fields=about(request),
            )
        return steps

    def _failed(
        self,
        model: ModelRecord,
        request: InferenceRequest,
        error: Exception,
        scheduler: BatchScheduler,
        retries: int,
    ) -> bool:
        """Settle or retry it; whether the model is to blame."""
        reason = describe(error)
        if isinstance(error, RejectedError):
            self._outcomes.settle(request, Status.REJECTED, text_of(error))
            return False
        now = self._clock.now()
        model.health.failed(request.client_id, error, reason, now)
        self._throttled.log(
            now,
            f"model {model.id!r} failed on {request.client_id!r}",
            error,
            kind=f"model {model.id!r} failed",
            fields=about(request),
        )
        labels = self._recorder.labels(request)
        self._recorder.count("dispatch_errors", now, labels)
        if request.retry_count < retries and not model.health.refusal(now):
            request.retry_count += 1
            self._recorder.count("dispatch_retries", now, labels)
            scheduler.put_back(request)
        else:
            self._outcomes.settle(request, Status.ERROR, reason)
        return True

    def _answered_nothing(
        self, model: ModelRecord, failures: int, scheduler: BatchScheduler
    ) -> None:
        """Nobody waits for the model while its circuit is open."""
        now = self._clock.now()
        health = model.health
        if health.batch_failed(failures, now):
            _log.error("model %r: %s", model.id, health.refusal(now))
            self._recorder.count("circuit_opened", now, model.labels)
            for request in list(scheduler.pending.of(model.id)):
                scheduler.pending.remove(request, Status.ERROR, health.refusal(now))


def chunk_length(values: Mapping[str, Any]) -> int:
    """Rows of the matrix of actions (horizon x dimension) in an answer; 0 without one.

    `actions` or `action`, else the first matrix there is.
    """
    for value in (values.get("actions"), values.get("action"), *values.values()):
        if getattr(value, "ndim", 0) == 2:
            return int(value.shape[0])
    return 0


def trusted_steps(said: Any, horizon: int) -> tuple[int, bool]:
    """How many actions of its chunk a model trusts, as its answer says, and whether it says it
    clearly: with one whole number from 1 on, which may stand in an array of one.

    One at the least, and `horizon` at the most: a fraction is rounded down, and what is no number
    trusts one action only.
    """
    try:
        number = said.item() if hasattr(said, "item") else said
        steps = 1 if isinstance(number, bool) else int(number)
    except (TypeError, ValueError, OverflowError):
        return 1, False
    is_clear = steps >= 1 and steps == number and not isinstance(number, bool)
    return min(horizon, max(1, steps)), is_clear
