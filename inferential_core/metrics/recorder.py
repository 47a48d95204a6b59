"""Records what the pipeline measures of requests, under the names that users know.

The names stand in metrics/catalog.py, with units and meanings.
"""

from __future__ import annotations

import math

from ..request import Call, InferenceRequest
from ..status import Status
from ..tracking.clients import Changes, ClientRegistry
from ..tracking.models import ModelRecord
from .gathering import Gathering
from .histograms import Counts
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
        self._labels_of = store.labels.of_client
        self._audience = store.audience
        self._gathering = Gathering(store)
        self._begun = self._gathering.begun
        self._ended = self._gathering.ended

    # --- of each request ---

    def dispatched(self, model: ModelRecord, count: int, queued: int, now: float) -> None:
        """A batch of `count` observations goes to a model, so many stay behind."""
        if self.enabled:
            self._begun.append((model, count, queued, now))
            if len(self._begun) >= self._audience.patience:
                self._store.take_in()

    def ended(
        self, request: InferenceRequest, status: Status, call: Call | None, now: float
    ) -> None:
        """A request ended; call: of the model that answered it. Rows are written only of those
        that were admitted.
        """
        if self.enabled:
            seconds = _NAN if call is None else call.seconds
            self._ended.append((request, status, seconds, now))
            if len(self._ended) >= self._audience.patience:
                self._store.take_in()

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
        self._store.take_in()
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
        return self._gathering.histograms()

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
