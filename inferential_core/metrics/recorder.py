"""Records what the pipeline measures of requests, under the names that users know.

The names stand in metrics/catalog.py, with units and meanings.
"""

from __future__ import annotations

import math

from ..request import Call, InferenceRequest
from ..status import OUTCOMES, Status
from ..tracking.clients import Changes, ClientRegistry
from ..tracking.models import ModelRecord
from .histograms import Counts, Histograms
from .store import MetricsStore
from .table import NO_LABELS, Labels, LabelSet
from .traces import Tracing

_NAN = math.nan


class Recorder:
    """One method for each station of a request. Times in milliseconds.

    store: where it goes; a server without metrics has one that nobody asks, switched off.
    """

    def __init__(self, store: MetricsStore, enabled: bool = True) -> None:
        self.enabled = enabled
        self._store = store
        self._histograms = Histograms()
        self._histograms_of = self._histograms.by_model
        self._labels_of = store.labels.of_client
        self._outcome_labels = {
            each: store.labels.lasting({"outcome": str(each)}) for each in OUTCOMES
        }
        self._batch_size = store.table("batch_size").add
        self._queue_depth = store.table("queue_depth").add
        self._outcomes = store.table("outcomes").add
        # One row for each request, written when it ends: a row for each station cost as much
        # as deciding who is next.
        self._requests = store.table(
            "payload_size_bytes",
            "scheduling_wait_ms",
            "observation_staleness_ms",
            "e2e_latency_ms",
            "inference_latency_ms",
            "deadline_hits",
            "runway_at_service_ms",
        ).add

    # --- of each request ---

    def dispatched(self, model: ModelRecord, count: int, queued: int, now: float) -> None:
        """A batch of `count` observations goes to a model, so many stay behind."""
        if self.enabled:
            size = model.in_one_call(count)
            histograms = self._histograms_of.get(model.id) or self._histograms.of(model.id)
            histograms.batch_size.add(size)
            self._batch_size(now, self._store.labels.of(model.labels), size)
            self._queue_depth(now, NO_LABELS, queued)

    def ended(
        self, request: InferenceRequest, status: Status, call: Call | None, now: float
    ) -> None:
        """A request ended. Rows are written only of those that were admitted."""
        if not self.enabled:
            return
        self._outcomes(now, self._outcome_labels[status], 1.0)
        if request.payload_bytes < 0:
            return
        if status is not Status.OK:
            call = None
        received, served = request.received_at, request.dispatched_at
        wait = served - received  # NaN where it never got so far
        staleness = request.staleness(served)
        passed = seconds = hit = runway = _NAN
        if call is not None:
            passed, seconds = now - received, call.seconds
            hit = 1.0 if request.in_time(now) else 0.0
            runway = request.runway(now)
        self._requests(
            now,
            self._labels_of(request.client_id, request.model_id),
            request.payload_bytes,
            1000.0 * wait,
            1000.0 * staleness,
            1000.0 * passed,
            1000.0 * seconds,
            hit,
            1000.0 * runway,
        )
        if wait == wait:
            model_id = request.model_id
            histograms = self._histograms_of.get(model_id) or self._histograms.of(model_id)
            histograms.queue_wait.add(wait)
            histograms.staleness.add(staleness)
            if call is not None:
                histograms.inference_latency.add(seconds)
                histograms.e2e_latency.add(passed)

    # --- of what happens seldom, and once a second ---

    def count(self, name: str, now: float, labels: Labels = NO_LABELS, value: float = 1.0) -> None:
        """Record something that happens seldom."""
        if self.enabled:
            self._store.table(name).add(now, self._store.labels.of(labels), value)

    def record_clients(self, clients: ClientRegistry, changes: Changes, now: float) -> None:
        """Record who is there, and who came, left or was late since the last time."""
        for name, which in (
            ("client_connected", changes.came),
            ("client_disconnected", changes.gone),
            ("client_overdue", changes.late),
        ):
            for client in which:
                self.count(name, now, {"client": client.id})
        self.count("active_clients", now, value=clients.active())
        self.count("overdue_clients", now, value=clients.overdue(now))

    def record_model(self, model: ModelRecord, headroom: float, most: int, now: float) -> None:
        """Record how a model does; headroom in robots, most: observations one call may get."""
        if not self.enabled:
            return
        self._histograms.fold()
        latency = model.latency
        self._store.table(
            "model_error_rate",
            "model_latency_ms",
            "model_headroom",
            "model_utilization",
            "batch_efficiency",
            "latency_fixed_ms",
            "latency_per_observation_ms",
            "latency_deviation_ms",
        ).add(
            now,
            self._store.labels.of(model.labels),
            model.health.error_rate,
            1000.0 * model.health.latency_s,
            headroom,
            model.utilization,
            model.batch_efficiency(most),
            1000.0 * latency.fixed,
            1000.0 * latency.per_observation,
            1000.0 * latency.deviation if latency.calls > 1 else _NAN,
        )

    def histograms(self) -> dict[str, dict[str, Counts]]:
        """model -> name -> counts since the start, seconds and observations."""
        return self._histograms.counts()

    def labels(self, request: InferenceRequest) -> LabelSet:
        """The labels of what is measured of a request: its client and model."""
        return self._labels_of(request.client_id, request.model_id)


class TracingRecorder(Recorder):
    """One that has every request that ended traced as well."""

    def __init__(self, store: MetricsStore, enabled: bool, tracing: Tracing) -> None:
        super().__init__(store, enabled)
        self._tracing = tracing

    def ended(
        self, request: InferenceRequest, status: Status, call: Call | None, now: float
    ) -> None:
        super().ended(request, status, call, now)
        self._tracing.ended(request, status, call, now)
