"""What comes back from a model: results to their clients, failures to the queue again, and what
it all says of the model.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ..clock import Clock
from ..dispatch.base import Completion, Result
from ..errors import ModelUnavailable, RejectedError
from ..log.throttled import ThrottledLog, about, in_one_line
from ..metrics.recorder import Recorder
from ..request import InferenceRequest
from ..scheduler.batching import BatchScheduler
from ..scheduler.hints import chunk_length
from ..status import Status
from ..tracking.models import ModelRecord
from ..tracking.recent import Served
from .outcome import Outcomes
from .reply import Call

_log = logging.getLogger(__name__)


class CompletionHandler:
    """Takes in completed batches."""

    def __init__(
        self, outcomes: Outcomes, clock: Clock, measuring: Recorder, throttled: ThrottledLog
    ) -> None:
        self._outcomes = outcomes
        self._clock = clock
        self._measuring = measuring
        self._throttled = throttled

    def take(
        self, completion: Completion, model: ModelRecord, scheduler: BatchScheduler, retries: int
    ) -> None:
        """Results of a batch; what failed goes back to the scheduler up to `retries` times."""
        batch = completion.batch
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
                failures += self._failed(model, request, result, scheduler, retries)
            else:
                self._succeeded(request, result, call, scheduler)
        model.end(size, completion.duration, failed)
        if model.placement is not None:
            lost = any(isinstance(result, ModelUnavailable) for result in results)
            model.placement.end(batch.lane, lost)
        which = [isinstance(result, Exception) for result in results] if failed else None
        self._outcomes.recent.served(
            Served(self._clock.now(), batch, call.seconds, together, which)
        )
        self._judge(model, size - failed, failures, call, scheduler)

    def _succeeded(
        self,
        request: InferenceRequest,
        values: Mapping[str, Any],
        call: Call,
        scheduler: BatchScheduler,
    ) -> None:
        if request.control_period_s:
            horizon = chunk_length(values)
            now = self._clock.now()
            request.requery_after_steps = scheduler.answered(request, now, horizon)
        try:
            self._outcomes.settle(request, Status.OK, values=values, call=call)
        except Exception as error:  # only where a dispatcher did not check them
            reason = f"the result cannot be sent: {error}"
            self._outcomes.settle(request, Status.ERROR, reason)

    def _failed(
        self,
        model: ModelRecord,
        request: InferenceRequest,
        error: Exception,
        scheduler: BatchScheduler,
        retries: int,
    ) -> bool:
        """Settle or retry it; whether the model is to blame."""
        reason = in_one_line(error)
        if isinstance(error, RejectedError):
            self._outcomes.settle(request, Status.REJECTED, str(error))
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
        labels = self._measuring.labels(request)
        self._measuring.count("dispatch_errors", now, labels)
        if request.retry_count < retries and not model.health.refusal(now):
            request.retry_count += 1
            self._measuring.count("dispatch_retries", now, labels)
            scheduler.put_back(request)
        else:
            self._outcomes.settle(request, Status.ERROR, reason)
        return True

    def _judge(
        self,
        model: ModelRecord,
        succeeded: int,
        failures: int,
        call: Call,
        scheduler: BatchScheduler,
    ) -> None:
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
            for request in list(scheduler.pending.of(model.id)):
                scheduler.pending.remove(request, Status.ERROR, health.refusal(now))


def _as_many(results: Sequence[Result], count: int) -> Sequence[Result]:
    """One result for each request, whatever the dispatcher returned."""
    if len(results) == count:
        return results
    reason = RuntimeError(f"the dispatcher returned {len(results)} results for {count} requests")
    return [reason] * count
