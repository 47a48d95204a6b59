"""What the pipeline measures of requests, under the names that users look for."""

from __future__ import annotations

import math
from collections.abc import Callable

from .metrics.series import Labels
from .metrics.store import NO_LABELS, Meter
from .replies import Call
from .request import InferenceRequest
from .status import Status
from .tracking.models import ModelRecord

_MOST_LABELS = 10_000


class Measuring:
    """One method for each station of a request. Times in milliseconds.

    meter: from the name of a metric to what records it, as `MetricsStore.meter`.
    """

    def __init__(self, meter: Callable[[str], Meter]) -> None:
        self._meter = meter
        self._labels: dict[tuple[str, str], Labels] = {}
        self._outcome_labels: dict[Status, Labels] = {
            each: {"outcome": str(each)} for each in Status
        }
        self._payload_size = meter("payload_size_bytes")
        self._scheduling_wait = meter("scheduling_wait_ms")
        self._staleness = meter("observation_staleness_ms")
        self._batch_size = meter("batch_size")
        self._queue_depth = meter("queue_depth")
        self._inference_latency = meter("inference_latency_ms")
        self._end_to_end = meter("e2e_latency_ms")
        self._outcomes = meter("outcomes")

    def count(self, name: str, now: float, labels: Labels = NO_LABELS, value: float = 1.0) -> None:
        """Something that happens seldom."""
        self._meter(name)(now, value, labels)

    def admitted(self, request: InferenceRequest, payload_bytes: int) -> None:
        self._payload_size(request.received_at, payload_bytes, self.labels(request))

    def dispatched(
        self, model: ModelRecord, requests: list[InferenceRequest], queued: int, now: float
    ) -> None:
        for request in requests:
            labels = self.labels(request)
            self._scheduling_wait(now, 1000.0 * (now - request.received_at), labels)
            self._staleness(now, 1000.0 * request.staleness(now), labels)
        self._batch_size(now, model.in_one_call(len(requests)), model.labels)
        self._queue_depth(now, queued, NO_LABELS)

    def ended(
        self, request: InferenceRequest, status: Status, call: Call | None, now: float
    ) -> None:
        self._outcomes(now, 1.0, self._outcome_labels[status])
        if status is Status.OK:
            labels = self.labels(request)
            self._end_to_end(now, 1000.0 * (now - request.received_at), labels)
            if call is not None:
                self._inference_latency(now, 1000.0 * call.seconds, labels)

    def health(self, model: ModelRecord, now: float) -> None:
        self.count("model_error_rate", now, model.labels, model.health.error_rate)
        if not math.isnan(model.health.latency_s):
            self.count("model_latency_ms", now, model.labels, 1000.0 * model.health.latency_s)

    def labels(self, request: InferenceRequest) -> Labels:
        key = (request.client_id, request.model_id)
        labels = self._labels.get(key)
        if labels is None:
            if len(self._labels) >= _MOST_LABELS:  # clients come and go
                self._labels.clear()
            labels = self._labels[key] = {"client": key[0], "model": key[1]}
        return labels
