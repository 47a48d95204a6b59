"""InferentialConfig: every setting of the server, its default, its range and what it is for."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ..tracking.health import BreakerRule
from ..wire.limits import Limits
from .section import Section

Milliseconds = float


class TransportConfig(Section):
    type: Literal["zmq"] = "zmq"
    bind: str = Field(default="tcp://*:5555", description="ZeroMQ address the server listens on")
    recv_hwm: int = Field(default=1000, ge=1, description="messages buffered per client, incoming")
    send_hwm: int = Field(default=1000, ge=1, description="replies buffered per client, then lost")
    heartbeat_ms: int = Field(
        default=1000, ge=10, description="period of ZMTP pings; 3 missed: link dead"
    )


class LimitsConfig(Section):
    max_message_bytes: int = Field(default=Limits.max_message_bytes, ge=1024)
    max_requests_per_client: int = Field(default=Limits.max_requests_per_client, ge=1)
    max_tensors: int = Field(default=Limits.max_tensors, ge=1)
    max_dimensions: int = Field(default=Limits.max_dimensions, ge=1, le=32)
    max_metadata_bytes: int = Field(default=Limits.max_metadata_bytes, ge=0)
    max_id_bytes: int = Field(default=Limits.max_id_bytes, ge=1, le=255)
    max_image_pixels: int = Field(default=Limits.max_image_pixels, ge=1)

    def as_limits(self) -> Limits:
        return Limits(**self.model_dump())


class DeadlineAwareConfig(Section):
    cadence_weight: float = Field(default=45.0, ge=0, description="closeness of the deadline")
    urgency_weight: float = Field(default=25.0, ge=0, description="urgency the client claims")
    steps_weight: float = Field(default=15.0, ge=0, description="few remaining steps")
    priority_weight: float = Field(default=10.0, ge=0, description="important tier")
    age_weight: float = Field(default=15.0, ge=0, description="time waited")
    mode: Literal["protect", "fair"] = Field(
        default="protect", description="overload: a few robots wait, or all stall a little"
    )
    starvation_guard_ms: Milliseconds = Field(
        default=3000.0, gt=0, description="who waited this goes first, at the cost of guard_share"
    )
    guard_share: float = Field(
        default=0.05, gt=0, le=1, description="share of the model's time for those, at most"
    )


class BatchConfig(Section):
    max_batch_size: int = Field(
        default=8, ge=1, description="flush when this many wait; unset: scheduling.max_batch_size"
    )
    max_wait_ms: Milliseconds = Field(
        default=10.0, gt=0, description="flush when the oldest waited this"
    )


class TieredConfig(Section):
    num_tiers: int = Field(
        default=3, ge=1, description="priorities from num_tiers - 1 on share a tier"
    )


class SchedulingConfig(Section):
    strategy: str = Field(default="deadline_aware", description="built-in or registered scheduler")
    policy: str | None = Field(default=None, description="registered score for deadline_aware")
    max_batch_size: int = Field(default=8, ge=1, description="most observations in one model call")
    max_queue_size: int = Field(
        default=1000, ge=1, description="observations waiting, all clients"
    )
    request_ttl_ms: Milliseconds = Field(
        default=5000.0, gt=0, description="then a waiting one is EXPIRED"
    )
    overflow_policy: Literal["drop_oldest", "reject_newest"] = "drop_oldest"
    max_retries: int = Field(
        default=0, ge=0, description="times a failed dispatch is queued again"
    )
    deadline_aware: DeadlineAwareConfig = DeadlineAwareConfig()
    batch_optimized: BatchConfig = BatchConfig()
    priority_tiered: TieredConfig = TieredConfig()
    options: dict[str, Any] = Field(default_factory=dict, description="of a custom scheduler")


class ClientDefaults(Section):
    latency_budget_ms: Milliseconds = Field(default=50.0, gt=0)
    priority: int = Field(default=1, ge=0, description="0 is the most important tier")


class ClientEntry(Section):
    id: str | int
    model: str | None = Field(default=None, description="the only model this entry speaks of")
    latency_budget_ms: Milliseconds | None = Field(default=None, gt=0)
    priority: int | None = Field(default=None, ge=0)


class ClientsConfig(Section):
    defaults: ClientDefaults = ClientDefaults()
    known: list[ClientEntry] = Field(default_factory=list)
    accept_unknown: bool = Field(
        default=True, description="false: clients not in `known` are REJECTED"
    )


class ResponseTrackingConfig(Section):
    cadence_alpha: float = Field(
        default=0.3, gt=0, lt=1, description="weight of the newest interval"
    )
    overdue_multiplier: float = Field(
        default=1.5, gt=1, description="x cadence: a client is overdue"
    )
    disconnect_timeout_s: float = Field(
        default=10.0, gt=0, description="silence that counts as gone"
    )


class MetricsConfig(Section):
    enabled: bool = True
    ring_buffer_size: int = Field(default=10000, ge=100, description="points kept per metric")
    prometheus_clients: int = Field(
        default=200, ge=0, description="clients with series of their own; the rest is `other`"
    )
    traces_per_s: float = Field(
        default=100.0, ge=0, description="requests traced, at most, if OpenTelemetry is set up"
    )


class HealthConfig(Section):
    failures: int = Field(
        default=BreakerRule.failures,
        ge=0,
        description="observations failed in a row that open a model's circuit; 0: never",
    )
    window_s: float = Field(
        default=BreakerRule.window_s, ge=0, description="time without a success, likewise"
    )
    open_s: float = Field(
        default=BreakerRule.open_s, gt=0, description="first pause; doubles while tries fail"
    )
    most_open_s: float = Field(default=BreakerRule.most_open_s, gt=0, description="longest pause")

    def as_rule(self) -> BreakerRule:
        return BreakerRule(**self.model_dump())


class DispatchConfig(Section):
    """Read by `inferential serve` and by the server node; `Server` is handed a dispatcher."""

    dispatcher: Literal["", "ray", "local"] = Field(
        default="", description="where models run; unset: on Ray Serve where Ray is installed"
    )
    models: dict[str, str] = Field(
        default_factory=dict, description="models to serve, by id: module:attribute"
    )


class RayConfig(Section):
    address: str | None = Field(
        default=None,
        description="host:port of the cluster to join, or local: start one; unset: as found",
    )
    timeout_s: float = Field(default=30.0, gt=0, description="then a call ends ERROR")
    max_batch: int = Field(default=64, ge=1, description="most observations in one infer_batch")
    lanes_per_replica: int = Field(default=1, ge=1, description="calls a replica gets at once")
    shared_memory: bool = Field(
        default=True, description="replicas on this machine read large arrays in place"
    )
    serve_config: str | None = Field(default=None, description="Serve config file to deploy")
    deployment: dict[str, Any] = Field(
        default_factory=dict, description="options of the deployments of dispatch.models"
    )


class InferentialConfig(Section):
    """The whole tree. Sections may be given as dicts; unknown keys are errors."""

    transport: TransportConfig = TransportConfig()
    limits: LimitsConfig = LimitsConfig()
    scheduling: SchedulingConfig = SchedulingConfig()
    clients: ClientsConfig = ClientsConfig()
    response_tracking: ResponseTrackingConfig = ResponseTrackingConfig()
    metrics: MetricsConfig = MetricsConfig()
    health: HealthConfig = HealthConfig()
    dispatch: DispatchConfig = DispatchConfig()
    ray: RayConfig = RayConfig()
