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
    Metric("payload_size_bytes", "B", _OF_REQUEST, "size of an observation's arrays, as received"),
    Metric(
        "scheduling_wait_ms",
        "ms",
        _OF_REQUEST,
        "from receiving an observation to giving it to the model",
    ),
    Metric(
        "observation_staleness_ms",
        "ms",
        _OF_REQUEST,
        "from sending an observation (or receiving it, if that time is unknown) to"
        " giving it to the model",
    ),
    Metric(
        "e2e_latency_ms", "ms", _OF_REQUEST, "from receiving an observation to answering it OK"
    ),
    Metric(
        "inference_latency_ms",
        "ms",
        _OF_REQUEST,
        "time of the model call that answered the observation",
    ),
    Metric(
        "deadline_hits",
        "",
        _OF_REQUEST,
        "1 for an answer before its deadline, 0 for one after it; the average is the"
        " share in time",
    ),
    Metric(
        "runway_at_service_ms",
        "ms",
        _OF_REQUEST,
        "how long the robot's actions still last when the answer reaches it; negative:"
        " the robot waits",
    ),
    Metric("outcomes", "", ("outcome",), "1 for each observation that ended"),
    # of each batch
    Metric("batch_size", "", ("model",), "observations in one call"),
    Metric("queue_depth", "", (), "observations that still wait after a batch was formed"),
    # when it happens
    Metric(
        "observation_errors",
        "",
        _OF_REQUEST,
        "1 for an observation that could not be read or is not accepted",
    ),
    Metric(
        "implausible_periods",
        "",
        ("client",),
        "1 for an observation whose robot says that its actions last for more than an hour",
    ),
    Metric(
        "descriptors_exhausted",
        "",
        (),
        "1 for each second in which the process has no file descriptor left for a connection",
    ),
    Metric("queue_full_drops", "", _OF_REQUEST, "1 for an observation dropped from a full queue"),
    Metric(
        "requests_expired",
        "",
        _OF_REQUEST,
        "1 for an observation that waited longer than request_ttl_ms",
    ),
    Metric(
        "requests_refused",
        "",
        _OF_REQUEST,
        "1 for an observation refused while the model's circuit is open",
    ),
    Metric("dispatch_errors", "", _OF_REQUEST, "1 for an observation on which the model failed"),
    Metric(
        "dispatch_retries",
        "",
        _OF_REQUEST,
        "1 for an observation that is queued again after the model failed on it",
    ),
    Metric(
        "replies_undelivered",
        "",
        _OF_REQUEST,
        "1 for a reply whose client was gone or did not read",
    ),
    Metric(
        "client_connected",
        "",
        ("client",),
        "1 when a client is heard for the first time, or again",
    ),
    Metric(
        "client_disconnected",
        "",
        ("client",),
        "1, once, when a client has been silent for disconnect_timeout_s",
    ),
    Metric(
        "client_overdue",
        "",
        ("client",),
        "1 when a client has been silent for longer than its own jitter makes likely; at"
        " most once a second",
    ),
    Metric(
        "client_takeovers", "", ("client",), "1 when another connection took over the client id"
    ),
    Metric(
        "circuit_opened", "", ("model",), "1 when a model's circuit opens because it keeps failing"
    ),
    Metric("circuit_closed", "", ("model",), "1 when the model answers again"),
    Metric(
        "auth_failures",
        "",
        ("reason",),
        "1 for a client that is not let in: it has no key, or a wrong one",
    ),
    Metric(
        "observations_refused",
        "",
        ("reason",),
        "1 for an observation that its client's key does not grant",
    ),
    Metric("door_clients", "", ("door",), "1 for a client that came in by a door"),
    Metric(
        "door_errors",
        "",
        ("door", "reason"),
        "1 for what a client of a door sent that is no message of its protocol",
    ),
    # once a second, while clients are there
    Metric("active_clients", "", (), "clients that are connected"),
    Metric("images_decoded", "", (), "images that were decoded before their model was called"),
    Metric("decoded_image_bytes", "B", (), "memory that such images take up, once there was any"),
    Metric("overdue_clients", "", (), "clients whose next observation should have come"),
    Metric(
        "model_error_rate",
        "",
        ("model",),
        "share of the recent observations on which the model failed, 0 to 1",
    ),
    Metric("model_latency_ms", "ms", ("model",), "time of a call, over recent calls"),
    Metric(
        "model_headroom",
        "robots",
        ("model",),
        "how many more robots like its present ones the model can carry; negative: how"
        " many are too many; at least so many, until batches of all sizes were seen or profiled",
    ),
    Metric(
        "model_utilization",
        "",
        ("model",),
        "share of the time in which the model's lanes work, 0 to 1",
    ),
    Metric(
        "batch_efficiency",
        "",
        ("model",),
        "throughput at the recent batch size, divided by that of the largest batches, by L(b)",
    ),
    Metric("latency_fixed_ms", "ms", ("model",), "a of the learned L(b) = a + c*b"),
    Metric("latency_per_observation_ms", "ms", ("model",), "c of the learned L(b) = a + c*b"),
    Metric(
        "latency_deviation_ms", "ms", ("model",), "standard deviation of the calls around L(b)"
    ),
)
