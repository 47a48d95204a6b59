"""InferentialConfig: every setting of the server, its default, its range and what it is for."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from ..wire.limits import Limits
from .models import DispatchConfig, HealthConfig, LocalConfig, RayConfig
from .scheduling import (
    HOUR_MS,
    BatchConfig,
    DeadlineAwareConfig,
    Milliseconds,
    SchedulingConfig,
    TieredConfig,
)
from .section import Section

_GIB = 1024**3


class TransportConfig(Section):
    type: Literal["zmq"] = Field(default="zmq", description="what carries messages")
    bind: str = Field(
        default="tcp://*:5555",
        min_length=1,
        description="ZeroMQ address to listen on; unset, commands and nodes take"
        " tcp://127.0.0.1:5555",
    )
    recv_hwm: int = Field(
        default=1000, ge=1, le=10_000_000, description="messages buffered per client, incoming"
    )
    send_hwm: int = Field(
        default=1000, ge=1, le=10_000_000, description="replies buffered per client, then lost"
    )
    heartbeat_ms: int = Field(
        default=1000,
        ge=10,
        le=600_000,
        description="silence after which TCP probes a link, whole s; 3 unanswered: dead",
    )
    io_threads: int = Field(
        default=0,
        ge=0,
        le=64,
        description="threads that move bytes, and with keys encrypt them; 0: 1, with keys half"
        " of the cores, 4 at most",
    )


class LimitsConfig(Section):
    """What is over one of these is REJECTED."""

    RELOADS: ClassVar[bool] = True

    max_message_bytes: int = Field(
        default=Limits.max_message_bytes,
        ge=1024,
        le=2 * _GIB,
        description="all frames of an observation",
    )
    max_requests_per_client: int = Field(
        default=Limits.max_requests_per_client,
        ge=1,
        le=1_000_000,
        description="observations of one client that wait or are with a model",
    )
    max_bytes_per_client: int = Field(
        default=Limits.max_bytes_per_client, ge=1024, le=1024 * _GIB, description="of those"
    )
    max_rate_hz_per_client: float | None = Field(
        default=Limits.max_rate_hz_per_client,
        gt=0,
        le=1e6,
        description="observations a second of one client, on average; unset: as many as it likes",
    )
    max_bytes_per_s_per_client: float | None = Field(
        default=Limits.max_bytes_per_s_per_client,
        gt=0,
        le=1e12,
        description="bytes a second of one client, on average; unset: as many as it likes",
    )
    max_tensors: int = Field(
        default=Limits.max_tensors, ge=1, le=65536, description="arrays in an observation"
    )
    max_dimensions: int = Field(
        default=Limits.max_dimensions, ge=1, le=32, description="dimensions of an array"
    )
    max_metadata_bytes: int = Field(
        default=Limits.max_metadata_bytes,
        ge=0,
        le=_GIB,
        description="keys and texts of an observation",
    )
    max_id_bytes: int = Field(
        default=Limits.max_id_bytes, ge=1, le=255, description="of a client's or a model's id"
    )
    max_image_pixels: int = Field(
        default=Limits.max_image_pixels,
        ge=1,
        le=4 * _GIB,
        description="width x height of a JPEG or PNG",
    )

    def as_limits(self) -> Limits:
        return Limits(**self.model_dump())


class ClientDefaults(Section):
    latency_budget_ms: Milliseconds = Field(
        default=50.0, gt=0, le=HOUR_MS, description="time to answer where a client states none"
    )
    priority: int = Field(
        default=1, ge=0, le=1_000_000, description="0 is the most important tier"
    )


class ClientEntry(Section):
    id: str | int = Field(description="the client's id, as it says it")
    model: str | None = Field(
        default=None, description="the only model this entry speaks of; unset: all"
    )
    latency_budget_ms: Milliseconds | None = Field(
        default=None, gt=0, le=HOUR_MS, description="wins over what the client states"
    )
    priority: int | None = Field(
        default=None, ge=0, le=1_000_000, description="wins over what the client states"
    )


class ClientsConfig(Section):
    RELOADS: ClassVar[bool] = True

    defaults: ClientDefaults = Field(
        default=ClientDefaults(), description="for what neither client nor `known` says"
    )
    known: list[ClientEntry] = Field(
        default_factory=list, max_length=100_000, description="clients with settings of their own"
    )
    accept_unknown: bool = Field(
        default=True, description="false: clients not in `known` are REJECTED"
    )

    @field_validator("known")
    @classmethod
    def _each_once(cls, known: list[ClientEntry]) -> list[ClientEntry]:
        seen: dict[tuple[str, str | None], int] = {}
        for number, entry in enumerate(known):
            first = seen.setdefault((str(entry.id), entry.model), number)
            if first != number:
                what = f" for model {entry.model!r}" if entry.model is not None else ""
                raise ValueError(
                    f"entries {first} and {number} are both of client {str(entry.id)!r}{what}"
                )
        return known


class ResponseTrackingConfig(Section):
    RELOADS: ClassVar[bool] = True

    cadence_alpha: float = Field(
        default=0.3, gt=0, lt=1, description="weight of the newest interval"
    )
    overdue_multiplier: float = Field(
        default=1.5, gt=1, le=1000, description="x cadence: a client is overdue"
    )
    disconnect_timeout_s: float = Field(
        default=10.0, gt=0, le=86400, description="silence that counts as gone"
    )


class MetricsConfig(Section):
    RELOADS: ClassVar[bool] = True

    enabled: bool = Field(default=True, description="whether anything is recorded")
    ring_buffer_size: int = Field(
        default=10000, ge=100, le=10_000_000, description="points kept per metric"
    )
    prometheus_clients: int = Field(
        default=200,
        ge=0,
        le=100_000,
        description="clients with series of their own; the rest is `other`",
    )
    traces_per_s: float = Field(
        default=100.0,
        ge=0,
        le=1e6,
        description="requests traced, at most, if OpenTelemetry is set up",
    )


class SecurityConfig(Section):
    """Beyond loopback one of the two is needed; see docs/security.md."""

    keys: str = Field(
        default="",
        description="folder of the server's key pair and of authorized.yaml, which is read again"
        " when it changes: clients need keys",
    )
    allow_insecure: bool = Field(
        default=False,
        description="without keys, serve whoever reaches the port from other machines as well",
    )


class HttpConfig(Section):
    """The page, its data and the metrics over HTTP: see `inferential_core.web`."""

    bind: str = Field(
        default="",
        description="HOST:PORT of the page; auto: 127.0.0.1:5580, the next free port where that"
        " is taken; off: none; unset: auto for commands and nodes, off for the Python API",
    )
    token_file: str | None = Field(
        default=None, description="file with the token to demand; a must beyond loopback"
    )
    hosts: list[str] = Field(
        default_factory=list,
        description="names under which browsers reach it, beside this machine's own",
    )


class InferentialConfig(Section):
    """The whole tree. Sections may be given as dicts; unknown keys are errors."""

    transport: TransportConfig = Field(
        default=TransportConfig(), description="the socket that robots connect to"
    )
    limits: LimitsConfig = Field(
        default=LimitsConfig(), description="how large an observation may be, and how many"
    )
    scheduling: SchedulingConfig = Field(
        default=SchedulingConfig(), description="which observations a model sees next"
    )
    clients: ClientsConfig = Field(
        default=ClientsConfig(), description="who may ask, how soon it needs an answer"
    )
    response_tracking: ResponseTrackingConfig = Field(
        default=ResponseTrackingConfig(), description="what is learned of the clients' pace"
    )
    metrics: MetricsConfig = Field(
        default=MetricsConfig(), description="measurements kept in memory"
    )
    health: HealthConfig = Field(
        default=HealthConfig(), description="when a model that fails is given a pause"
    )
    security: SecurityConfig = Field(
        default=SecurityConfig(), description="who may ask, and how that is known"
    )
    dispatch: DispatchConfig = Field(
        default=DispatchConfig(), description="the models of a command or node"
    )
    local: LocalConfig = Field(
        default=LocalConfig(), description="models that run without Ray, on the server's machine"
    )
    ray: RayConfig = Field(default=RayConfig(), description="Ray Serve")
    http: HttpConfig = Field(
        default=HttpConfig(), description="the fleet's page, its data and the metrics, over HTTP"
    )


__all__ = [
    "BatchConfig",
    "ClientDefaults",
    "ClientEntry",
    "ClientsConfig",
    "DeadlineAwareConfig",
    "DispatchConfig",
    "HealthConfig",
    "HttpConfig",
    "InferentialConfig",
    "LimitsConfig",
    "LocalConfig",
    "MetricsConfig",
    "RayConfig",
    "ResponseTrackingConfig",
    "SchedulingConfig",
    "SecurityConfig",
    "TieredConfig",
    "TransportConfig",
]
