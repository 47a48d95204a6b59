"""Gathers the batches that began and the requests that ended, and measures many at a time.

Each costs the server one append. What follows from the times that a request carries is worked out
later: when somebody asks for it, when enough has come together, and once a second. There is no
loop over requests here: in numpy it takes a tenth of the time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, compress
from operator import attrgetter
from typing import TypeVar

import numpy as np

from ..request import InferenceRequest
from ..status import OUTCOMES, Status
from ..tracking.models import ModelRecord
from .histograms import Counts, Histograms
from .store import MetricsStore
from .table import NO_LABELS, LabelSet

_FACTS = attrgetter(
    "payload_bytes", "received_at", "dispatched_at", "one_way_s", "deadline", "runs_dry_at"
)
_WHOSE, _MODEL = attrgetter("client_id", "model_id"), attrgetter("model_id")

T = TypeVar("T")
K = TypeVar("K")

Begun = tuple[ModelRecord, int, int, float]
Ended = tuple[InferenceRequest, Status, float, float]


class Gathering:
    """What happened, in `begun` and `ended`, and the tables and histograms it is measured in.

    begun: model, observations of the batch, observations that stay behind, time in monotonic s.
    ended: request, outcome, seconds of the call that answered it (else NaN), time likewise. They
    are appended to by one thread at a time; `measure` is called by the store, from any thread.
    """

    def __init__(self, store: MetricsStore) -> None:
        self.begun: list[Begun] = []
        self.ended: list[Ended] = []
        self._store = store
        self._histograms = Histograms()
        self._labels_of_outcome = {
            each: store.labels.lasting({"outcome": str(each)}) for each in OUTCOMES
        }
        self._batch_size = store.table("batch_size")
        self._queue_depth = store.table("queue_depth")
        self._outcomes = store.table("outcomes")
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
        )
        store.feed(self.measure)

    def measure(self) -> None:
        """Measure what was gathered until now."""
        if begun := _taken(self.begun):
            self._measure_batches(begun)
        if ended := _taken(self.ended):
            self._measure_requests(ended)

    def histograms(self) -> dict[str, dict[str, Counts]]:
        """model -> name -> counts since the start, seconds and observations."""
        self._store.take_in()
        return self._histograms.counts()

    def _measure_batches(self, begun: Sequence[Begun]) -> None:
        models, counts, queued, times = zip(*begun)
        sizes = np.array(counts)
        labels = {model: self._store.labels.of(model.labels) for model in set(models)}
        for model, of_model in _places(models).items():
            if model.one_by_one:
                sizes[of_model] = 1
            self._histograms.of(model.id).batch_size.add(sizes[of_model])
        self._batch_size.extend(times, _each(labels, models), sizes[:, None])
        self._queue_depth.extend(times, [NO_LABELS] * len(begun), np.array(queued)[:, None])

    def _measure_requests(self, ended: Sequence[Ended]) -> None:
        requests, outcomes, seconds, times = zip(*ended)
        labels = _each(self._labels_of_outcome, outcomes)
        self._outcomes.extend(times, labels, np.ones((len(ended), 1)))
        facts = np.fromiter(chain.from_iterable(map(_FACTS, requests)), float).reshape(-1, 6)
        admitted = facts[:, 0] >= 0.0
        if admitted.any():
            self._measure_admitted(
                [*compress(requests, admitted)],
                facts[admitted].T,
                np.array(seconds)[admitted],
                np.array(times)[admitted],
            )

    def _measure_admitted(
        self,
        requests: Sequence[InferenceRequest],
        facts: np.ndarray,
        call_s: np.ndarray,
        ended_at: np.ndarray,
    ) -> None:
        payload, received, dispatched, one_way, deadline, runs_dry = facts
        answered = call_s == call_s  # not NaN
        wait = dispatched - received  # NaN where it never got so far
        staleness = wait + one_way
        passed = np.where(answered, ended_at - received, math.nan)
        hits = np.where(answered, ended_at <= deadline, math.nan)
        runway = np.where(answered, runs_dry - ended_at, math.nan)
        whose = [*map(_WHOSE, requests)]
        labels = self._store.labels.of_clients(whose)
        wait_ms, staleness_ms, passed_ms, call_ms, runway_ms = 1000.0 * np.array(
            [wait, staleness, passed, call_s, runway]
        )
        row = [payload, wait_ms, staleness_ms, passed_ms, call_ms, hits, runway_ms]
        self._requests.extend(ended_at, labels, np.array(row).T)
        for model, of_model in _places([*map(_MODEL, requests)]).items():
            histograms = self._histograms.of(model)
            histograms.queue_wait.add(wait[of_model])
            histograms.staleness.add(staleness[of_model])
            histograms.inference_latency.add(call_s[of_model])
            histograms.e2e_latency.add(passed[of_model])


def _taken(gathered: list[T]) -> list[T]:
    """What is in the list, which it leaves empty but for what is appended meanwhile."""
    taken = gathered[:]
    del gathered[: len(taken)]
    return taken


def _each(labels: Mapping[K, LabelSet], keys: Iterable[K]) -> list[LabelSet]:
    return [*map(labels.__getitem__, keys)]


def _places(keys: Sequence[K]) -> dict[K, np.ndarray | slice]:
    """key -> where it stands: everywhere, or (n,) bool."""
    if keys.count(keys[0]) == len(keys):  # as nearly always: there is one model
        return {keys[0]: slice(None)}
    array = np.empty(len(keys), object)
    array[:] = keys
    return {key: array == key for key in set(keys)}
