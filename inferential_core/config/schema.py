"""InferentialConfig: every setting of the server, its default, its range and what it is for."""

from __future__ import annotations

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
from .section import Section, setting


class InferentialConfig(Section):
    """The whole tree. Sections may be given as dicts; unknown keys are errors."""

    transport: TransportConfig = setting(TransportConfig(), "the socket that robots connect to")
    limits: LimitsConfig = setting(LimitsConfig(), "how large an observation may be, and how many")
    scheduling: SchedulingConfig = setting(
        SchedulingConfig(), "which observations a model sees next"
    )
    clients: ClientsConfig = setting(ClientsConfig(), "who may ask, how soon it needs an answer")
    response_tracking: ResponseTrackingConfig = setting(
        ResponseTrackingConfig(), "what is learned of the clients' pace"
    )
    metrics: MetricsConfig = setting(MetricsConfig(), "measurements kept in memory")
    health: HealthConfig = setting(HealthConfig(), "when a model that fails is given a pause")
    lease: LeaseConfig = setting(LeaseConfig(), "how long a robot may act on an answer")
    security: SecurityConfig = setting(SecurityConfig(), "who may ask, and how that is known")
    dispatch: DispatchConfig = setting(DispatchConfig(), "the models of a command or node")
    local: LocalConfig = setting(
        LocalConfig(), "models that run without Ray, on the server's machine"
    )
    ray: RayConfig = setting(RayConfig(), "Ray Serve")
    http: HttpConfig = setting(
        HttpConfig(), "the fleet's page, its data and the metrics, over HTTP"
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
