"""The server's state for Prometheus: `exposition(server)` is what an HTTP route answers.

Everything is taken when somebody scrapes, counters and histograms in one moment, so that they
agree with `Server.status()` and among each other; nothing here runs when a request does.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import HistogramMetricFamily, Metric, Sample

from ..version import __version__
from .histograms import Counts
from .shown import COUNTED, OTHER, ShownClients
from .telemetry import Telemetry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OUTCOMES = {
    "ok": "ok",
    "expired": "expired",
    "superseded": "superseded",
    "dropped": "dropped",
    "rejected": "rejected",
    "errors": "error",
}
Status = Mapping[str, Any]
Histograms = Mapping[str, Mapping[str, Counts]]

# key in status -> (name without prefix, what it is)
_SERVER_COUNTERS = {
    "received": ("received", "observations that named a client and a model"),
    "malformed": ("malformed", "messages that were no observation"),
    "undelivered": ("undelivered", "replies whose client was gone or did not read"),
}
# key in status["security"] -> likewise
_REFUSALS = {
    "handshakes_by_reason": ("auth_failures", "clients that were not let in, by reason"),
    "observations_by_reason": (
        "observations_refused",
        "observations that the key of their client does not grant, by reason",
    ),
}
_SERVER_GAUGES = {
    "queued": ("queued", "observations that wait"),
    "in_flight": ("in_flight", "observations that are with a model"),
    "uptime_s": ("uptime_seconds", "time since the server started"),
}
_MODEL_COUNTERS = {
    "batches": ("model_calls", "calls of the model"),
    "served": ("model_served", "observations that the model answered"),
    "failed": ("model_failed", "observations on which the model failed"),
}
_MODEL_GAUGES = {
    "queued": ("model_queued", "observations that wait for the model"),
    "in_flight": ("model_in_flight", "observations that the model is working on"),
    "lanes": ("model_lanes", "calls that the model works on at once"),
    "replicas": ("model_replicas", "processes or replicas that share the model's calls"),
    "max_batch": ("model_max_batch", "observations that the model takes in one call"),
    "mean_batch": ("model_mean_batch", "observations in a call, over recent calls"),
    "utilization": (
        "model_utilization",
        "share of the recent time in which the model's lanes work, 0 to 1",
    ),
    "batch_efficiency": (
        "model_batch_efficiency",
        "throughput at the recent batch size, divided by that of the largest batches",
    ),
    "error_rate": (
        "model_error_rate",
        "share of the recent observations on which the model failed, 0 to 1",
    ),
    "headroom": (
        "model_headroom",
        "how many more robots like its present ones the model can carry; at least so many, until"
        " batches of all sizes were seen or profiled",
    ),
    "latency_fixed_s": ("model_latency_fixed_seconds", "a of the learned L(b) = a + c*b"),
    "latency_per_observation_s": (
        "model_latency_per_observation_seconds",
        "c of the learned L(b) = a + c*b",
    ),
}
_CLIENT_COUNTERS = {
    "received": ("client_received", "observations of the client"),
    "ok": ("client_ok", "observations of the client that were answered OK"),
    "failed": ("client_failed", "observations of the client that ended in any other outcome"),
    "deadline_hits": ("client_deadline_hits", "answers that left before their deadline"),
    "deadline_misses": ("client_deadline_misses", "answers that left after their deadline"),
    "takeovers": ("client_takeovers", "how often another connection took over the client id"),
}
_CLIENT_GAUGES = {
    "connected": ("client_connected", "1: the client was heard within the disconnect timeout"),
    "overdue": ("client_overdue", "1: the client's next observation should have come by now"),
    "rate_hz": ("client_rate_hertz", "observations a second, by the client's cadence"),
    "silence_s": ("client_silence_seconds", "time since the client was last heard"),
}
_HISTOGRAMS = {
    "queue_wait": (
        "queue_wait_seconds",
        "from receiving an observation to giving it to the model",
    ),
    "staleness": (
        "staleness_seconds",
        "from sending an observation, if that time is known, to giving it to the model",
    ),
    "batch_size": ("batch_size", "observations in a call"),
    "inference_latency": ("inference_latency_seconds", "time of the model's call"),
    "e2e_latency": ("e2e_latency_seconds", "from receiving an observation to answering it"),
}


_shown_of: WeakKeyDictionary[Telemetry, ShownClients] = WeakKeyDictionary()
_lock = threading.Lock()


class ServerCollector:
    """A collector for a registry of your own: `registry.register(ServerCollector(server))`.

    Several of one server choose the same clients to show.
    """

    def __init__(self, server: Telemetry) -> None:
        self._server = server
        with _lock:
            self._shown = _shown_of.setdefault(server, ShownClients(0))

    def collect(self) -> Iterator[Metric]:
        """All families, of one moment."""
        status, histograms = self._server.telemetry()
        with _lock:  # two may scrape at once
            self._shown.most = self._server.config.metrics.prometheus_clients
            clients, others = self._shown.choose(status["clients"])
        yield from _of_server(status)
        yield from _of_doors(status["doors"])
        yield from _of_models(status["models"])
        yield from _of_clients(clients, others if len(clients) < len(status["clients"]) else {})
        yield from _histograms(histograms)


def exposition(server: Telemetry) -> bytes:
    """The server's metrics in Prometheus's text format (CONTENT_TYPE), with those of the process.

    UsageError if it was never started.
    """
    registry = CollectorRegistry()
    registry.register(ServerCollector(server))
    ProcessCollector(registry=registry)
    text: bytes = generate_latest(registry)
    return text


def _of_server(status: Status) -> Iterator[Metric]:
    yield _family("gauge", "build_info", "always 1", [({"version": __version__}, 1)])
    strategy = {"strategy": status["strategy"]}
    yield _family("gauge", "strategy_info", "always 1", [(strategy, 1)])
    outcomes = [({"outcome": outcome}, status[key]) for key, outcome in OUTCOMES.items()]
    yield _family("counter", "requests", "observations that ended, by outcome", outcomes)
    for key, (name, meaning) in _SERVER_COUNTERS.items():
        yield _family("counter", name, meaning, [({}, status[key])])
    for key, (name, meaning) in _REFUSALS.items():
        reasons = status["security"][key].items()
        yield _family(
            "counter", name, meaning, [({"reason": why}, count) for why, count in reasons]
        )
    for key, (name, meaning) in _SERVER_GAUGES.items():
        yield _family("gauge", name, meaning, [({}, status[key])])
    clients = status["clients"]
    counts = [
        ({"state": state}, sum(bool(client[state]) for client in clients))
        for state in ("connected", "overdue")
    ]
    yield _family("gauge", "clients", "clients that are so", counts)


def _of_doors(doors: Sequence[Status]) -> Iterator[Metric]:
    """Of all doors of a kind together."""
    clients: Counter[str] = Counter()
    errors: Counter[tuple[str, str]] = Counter()
    for door in doors:
        clients[door["kind"]] += door["clients"]
        for reason, count in door["errors"].items():
            errors[door["kind"], reason] += count
    here = [({"door": kind}, count) for kind, count in clients.items()]
    yield _family("gauge", "door_clients", "clients that are there by a door", here)
    refused = [({"door": kind, "reason": why}, count) for (kind, why), count in errors.items()]
    meaning = "what clients of a door sent that is no message of its protocol, by reason"
    yield _family("counter", "door_errors", meaning, refused)


def _of_models(models: Sequence[Status]) -> Iterator[Metric]:
    yield from _rows("counter", _MODEL_COUNTERS, "model", models)
    yield from _rows("gauge", _MODEL_GAUGES, "model", models)
    closed = [({"model": model["id"]}, model["circuit"] == "closed") for model in models]
    meaning = "1: observations are taken in, 0: the circuit is open or being tried"
    yield _family("gauge", "model_circuit_closed", meaning, closed)
    starting = [({"model": model["id"]}, model["circuit"] == "starting") for model in models]
    yield _family("gauge", "model_starting", "1: it has not been ready yet", starting)


def _of_clients(clients: Sequence[Status], others: Mapping[str, int]) -> Iterator[Metric]:
    counted = [*clients, {"id": OTHER, **others}] if others else clients
    yield from _rows("counter", _CLIENT_COUNTERS, "client", counted)
    yield from _rows("gauge", _CLIENT_GAUGES, "client", clients)


def _histograms(histograms: Histograms) -> Iterator[Metric]:
    for key, (name, meaning) in _HISTOGRAMS.items():
        family = HistogramMetricFamily(_name(name), meaning, labels=["model"])
        for model, of_model in histograms.items():
            counts = of_model[key]
            bounds = [*map(str, counts.bounds), "+Inf"]
            family.add_metric([model], list(zip(bounds, counts.cumulative)), counts.sum)
        yield family


def _rows(
    kind: str, names: Mapping[str, tuple[str, str]], label: str, rows: Sequence[Status]
) -> Iterator[Metric]:
    labels = [{label: row["id"]} for row in rows]
    for key, (name, meaning) in names.items():
        yield _family(kind, name, meaning, zip(labels, [row[key] for row in rows]))


def _family(
    kind: str, name: str, meaning: str, values: Iterable[tuple[dict[str, str], float]]
) -> Metric:
    """A counter or gauge; what is not measured (NaN) is left out.

    Made without the library's helpers, which build the labels of each sample anew: with hundreds
    of clients that takes as long as all the rest.
    """
    family = Metric(_name(name), meaning, kind)
    full = family.name + ("_total" if kind == "counter" else "")
    family.samples = [
        Sample(full, labels, float(value)) for labels, value in values if value == value
    ]
    return family


def _name(name: str) -> str:
    return f"inferential_{name}"


assert set(_CLIENT_COUNTERS) == set(COUNTED)
