"""Server.status() -> inferential/msg/ServerStatus. The names are the same; units differ."""

from __future__ import annotations

import math
from typing import Any

from inferential.msg import ClientStatus, ModelStatus, ServerStatus

from inferential_ros.convert.chunk import duration_message, time_message

COUNTERS = (
    "received",
    "ok",
    "expired",
    "superseded",
    "dropped",
    "rejected",
    "errors",
    "queued",
    "in_flight",
    "malformed",
)


CIRCUITS = {
    "closed": ModelStatus.CIRCUIT_CLOSED,
    "open": ModelStatus.CIRCUIT_OPEN,
    "half_open": ModelStatus.CIRCUIT_HALF_OPEN,
    "starting": ModelStatus.CIRCUIT_STARTING,
}


def server_message(status: dict[str, Any], now_ns: int) -> ServerStatus:
    """The report of this moment."""
    message = ServerStatus(bind=status["bind"], strategy=status["strategy"])
    message.header.stamp = time_message(now_ns)
    message.uptime = _duration(status["uptime_s"])
    for name in COUNTERS:
        setattr(message, name, status[name])
    message.handshakes_refused = status["security"]["handshakes_refused"]
    message.observations_refused = status["security"]["observations_refused"]
    message.models = [_model(model) for model in status["models"]]
    message.clients = [_client(client) for client in status["clients"]]
    return message


def _model(model: dict[str, Any]) -> ModelStatus:
    return ModelStatus(
        id=model["id"],
        version=model["version"],
        lanes=model["lanes"],
        max_batch=model["max_batch"],
        queued=model["queued"],
        in_flight=model["in_flight"],
        batches=model["batches"],
        served=model["served"],
        failed=model["failed"],
        mean_batch=_number(model["mean_batch"]),
        latency_fixed=_number(model["latency_fixed_s"]),
        latency_per_observation=_number(model["latency_per_observation_s"]),
        last_error=model["last_error"],
        replicas=model["replicas"],
        latency=_number(model["latency_s"]),
        error_rate=_number(model["error_rate"]),
        circuit=CIRCUITS[model["circuit"]],
        headroom=_number(model["headroom"]),
        change=model["change"],
    )


def _client(client: dict[str, Any]) -> ClientStatus:
    return ClientStatus(
        id=client["id"],
        type=client["type"],
        connected=client["connected"],
        silence=_duration(client["silence_s"]),
        rate=_number(client["rate_hz"]),
        received=client["received"],
        ok=client["ok"],
        failed=client["failed"],
        deadline_hits=client["deadline_hits"],
        deadline_misses=client["deadline_misses"],
        last_error=client["last_error"],
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _duration(seconds: float | None) -> Any:
    return duration_message(round((seconds or 0.0) * 1e9) if math.isfinite(seconds or 0.0) else 0)
