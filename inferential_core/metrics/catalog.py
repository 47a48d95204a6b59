"""Every metric that a server records: its unit, its labels, and what it says.

docs/metrics.md shows the same; a test compares the two, and both with what is recorded.
"""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """What `server.metrics` and `@server.on_metric` know under a name."""

    name: str
    unit: str  # empty: a number, or 1 for each time it happens
    labels: tuple[str, ...]
    meaning: str


_OF_REQUEST = ("client", "model")

CATALOG = (
    # of each observation
    Metric("payload_size_bytes", "B", _OF_REQUEST, "arrays of an observation, as they came"),
    Metric("scheduling_wait_ms", "ms", _OF_REQUEST, "from received to given to the model"),
    Metric(
        "observation_staleness_ms",
        "ms",
        _OF_REQUEST,
        "from sent, or received where that is unknown, to given to the model",
    ),
    Metric("e2e_latency_ms", "ms", _OF_REQUEST, "from received to answered OK"),
    Metric("inference_latency_ms", "ms", _OF_REQUEST, "of the call that answered it"),
    Metric(
        "deadline_hits",
        "",
        _OF_REQUEST,
        "1 for an answer before its deadline, 0 for one after it; the average: share on time",
    ),
    Metric(
        "runway_at_service_ms",
        "ms",
        _OF_REQUEST,
        "actions the robot has left, in time, when the answer reaches it; negative: it waits",
    ),
    Metric("outcomes", "", ("outcome",), "1 for each observation that ended"),
    # of each batch
    Metric("batch_size", "", ("model",), "observations in one call"),
    Metric("queue_depth", "", (), "observations that still wait when a batch has been formed"),
    # when it happens
    Metric("observation_errors", "", _OF_REQUEST, "one that could not be read or is not accepted"),
    Metric("queue_full_drops", "", _OF_REQUEST, "dropped from a full queue"),
    Metric("requests_expired", "", _OF_REQUEST, "waited longer than request_ttl_ms"),
    Metric("requests_refused", "", _OF_REQUEST, "turned down while the model's circuit is open"),
    Metric("dispatch_errors", "", _OF_REQUEST, "the model failed on it"),
    Metric("dispatch_retries", "", _OF_REQUEST, "and it went back to the queue"),
    Metric("replies_undelivered", "", _OF_REQUEST, "its client was gone or did not read"),
    Metric("client_connected", "", ("client",), "heard for the first time, or again"),
    Metric("client_disconnected", "", ("client",), "silent for disconnect_timeout_s; told once"),
    Metric(
        "client_overdue",
        "",
        ("client",),
        "silent for overdue_multiplier x its cadence; at most once a second",
    ),
    Metric("client_takeovers", "", ("client",), "another connection took the id over"),
    Metric("circuit_opened", "", ("model",), "a model keeps failing"),
    Metric("circuit_closed", "", ("model",), "and answers again"),
    Metric("auth_failures", "", ("reason",), "a client not let in: no key, or a wrong one"),
    Metric("observations_refused", "", ("reason",), "of a client whose key does not grant it"),
    # once a second, while clients are there
    Metric("active_clients", "", (), "clients that are there"),
    Metric("overdue_clients", "", (), "those whose next observation should have come"),
    Metric("model_error_rate", "", ("model",), "share of observations it fails on, of late"),
    Metric("model_latency_ms", "ms", ("model",), "of a call, of late"),
    Metric(
        "model_headroom",
        "robots",
        ("model",),
        "how many more like those it has it can carry; negative: so many too many",
    ),
    Metric("model_utilization", "", ("model",), "share of the time that its lanes work, 0 to 1"),
    Metric(
        "batch_efficiency",
        "",
        ("model",),
        "throughput at the batch size of late, to that of the largest batches, by L(b)",
    ),
    Metric("latency_fixed_ms", "ms", ("model",), "a of the learned L(b) = a + c*b"),
    Metric("latency_per_observation_ms", "ms", ("model",), "c of it"),
    Metric("latency_deviation_ms", "ms", ("model",), "standard deviation of calls around L(b)"),
)
