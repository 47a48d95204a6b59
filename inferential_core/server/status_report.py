"""Reports the server's state as plain data, for status calls, topics and pages."""

from __future__ import annotations

import math
from typing import Any

from ..pipeline.pipeline import Pipeline
from ..status import Status
from ..tracking.clients import Client
from ..tracking.models import STARTING, ModelRecord


def report(pipeline: Pipeline, now: float) -> dict[str, Any]:
    """Counters and models of one moment, named as in msg/ServerStatus.msg and its parts.

    received = ok + expired + superseded + dropped + rejected + errors + queued + in_flight.
    NaN where unmeasured.
    """
    outcomes = pipeline.ledger.outcomes
    return {
        "strategy": pipeline.scheduler.config.strategy,
        "draining": pipeline.drain.begun,
        "received": pipeline.ledger.received,
        "ok": outcomes[Status.OK],
        "expired": outcomes[Status.EXPIRED],
        "superseded": outcomes[Status.SUPERSEDED],
        "dropped": outcomes[Status.DROPPED],
        "rejected": outcomes[Status.REJECTED],
        "errors": outcomes[Status.ERROR],
        "queued": len(pipeline.scheduler.pending),
        "in_flight": pipeline.in_flight(),
        "malformed": pipeline.ledger.malformed,
        "undelivered": pipeline.ledger.undelivered,
        "models": [_model(model, pipeline, now) for model in pipeline.models.values()],
    }


def _model(model: ModelRecord, pipeline: Pipeline, now: float) -> dict[str, Any]:
    most = model.most_in_one_call(pipeline.scheduler.max_batch_size)
    return {
        "id": model.id,
        "version": model.version,
        "lanes": model.lanes,
        "max_batch": model.max_batch,
        "batch_sizes": list(model.batch_sizes),
        "queued": pipeline.scheduler.pending.count(model.id),
        "scheduling": pipeline.scheduler.explain(model.id),
        "in_flight": model.in_flight,
        "batches": model.batches,
        "served": model.served,
        "failed": model.failed,
        "mean_batch": model.mean_batch,
        "latency_fixed_s": model.latency.fixed,
        "latency_per_observation_s": model.latency.per_observation,
        "last_error": model.starting or model.health.last_error,
        "replicas": model.replicas,
        "latency_s": model.health.latency_s,
        "error_rate": model.health.error_rate,
        "unavailable": model.unavailable,
        "change": model.change,
        "circuit": STARTING if model.starting else model.health.circuit(now),
        "headroom": pipeline.scheduler.headroom(model.id, now, model.latency),
        # larger batches may carry more than what is known by now promises
        "headroom_is_least": model.latency.largest_batch < most,
        "utilization": model.utilization,
        "batch_efficiency": model.batch_efficiency(most),
    }


def report_client(client: Client, now: float) -> dict[str, Any]:
    """One of `clients` in the status; without a lock, which thousands would hold for long."""
    return {
        "id": client.id,
        "type": client.type,
        "door": client.door,
        "asks_when_dry": client.asks_when_dry,
        "connected": client.connected,
        "overdue": client.overdue(now),
        "silence_s": now - client.last_seen if math.isfinite(client.last_seen) else math.nan,
        "rate_hz": client.cadence.rate,
        "received": client.received,
        "ok": client.ok,
        "failed": client.failed,
        "deadline_hits": client.answers_in_time,
        "deadline_misses": client.answers_late,
        "takeovers": client.takeovers.count,
        "last_error": client.last_error,
    }
