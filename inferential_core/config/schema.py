"""InferentialConfig: every setting of the server, its default, its range and what it is for."""

from __future__ import annotations

from pydantic import Field

from .fleet import (
    ClientDefaults,
    ClientEntry,
    ClientsConfig,
    MetricsConfig,
    ResponseTrackingConfig,
)
from .models import DispatchConfig, HealthConfig, LeaseConfig, LocalConfig, RayConfig
from .network import HttpConfig, LimitsConfig, SecurityConfig, TransportConfig
from .scheduling import BatchConfig, DeadlineAwareConfig, SchedulingConfig, TieredConfig
from .section import Section


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
    lease: LeaseConfig = Field(
        default=LeaseConfig(), description="how long a robot may act on an answer"
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
    "LeaseConfig",
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
