"""InferentialConfig: every setting of the server, its default, its range and what it is for."""

from __future__ import annotations

from pydantic import ValidationInfo, field_validator

from .doors import DoorConfig
from .fleet import (
    AdmissionConfig,
    ClientDefaults,
    ClientEntry,
    ClientsConfig,
    MetricsConfig,
    ResponseTrackingConfig,
)
from .models import (
    DispatchConfig,
    HealthConfig,
    ImagesConfig,
    LeaseConfig,
    LocalConfig,
    RayConfig,
)
from .network import ControlConfig, HttpConfig, LimitsConfig, SecurityConfig, TransportConfig
from .scheduling import BatchConfig, DeadlineAwareConfig, SchedulingConfig, TieredConfig
from .section import Section, setting

_FORESEE_NOTHING = ("batch_optimized", "priority_tiered", "round_robin")


class InferentialConfig(Section):
    """The whole tree. Sections may be given as dicts; unknown keys are errors."""

    transport: TransportConfig = setting(TransportConfig(), "the socket that robots connect to")
    limits: LimitsConfig = setting(
        LimitsConfig(), "how large observations may be, and how many each client may send"
    )
    scheduling: SchedulingConfig = setting(
        SchedulingConfig(), "which observations a model sees next"
    )
    clients: ClientsConfig = setting(
        ClientsConfig(), "who may ask, and how soon each client needs an answer"
    )
    admission: AdmissionConfig = setting(
        AdmissionConfig(), "whether there is a place for one more robot"
    )
    response_tracking: ResponseTrackingConfig = setting(
        ResponseTrackingConfig(), "how the server learns the clients' pace"
    )
    metrics: MetricsConfig = setting(
        MetricsConfig(), "the measurements that the server keeps in memory"
    )
    health: HealthConfig = setting(
        HealthConfig(), "when the server stops asking a model that keeps failing"
    )
    lease: LeaseConfig = setting(LeaseConfig(), "how long a robot may execute an answer")
    security: SecurityConfig = setting(
        SecurityConfig(), "who may ask, and how the server knows who asks"
    )
    dispatch: DispatchConfig = setting(
        DispatchConfig(), "the models that a command or node serves"
    )
    local: LocalConfig = setting(
        LocalConfig(), "models that run on the server's machine, without Ray"
    )
    images: ImagesConfig = setting(ImagesConfig(), "when compressed images are decoded")
    ray: RayConfig = setting(RayConfig(), "models that run on Ray Serve")
    doors: list[DoorConfig] = setting(
        list, "ways in for the clients of other servers: see docs/doors.md", max_length=100
    )
    http: HttpConfig = setting(
        HttpConfig(), "the fleet's page, its data and the metrics, over HTTP"
    )
    control: ControlConfig = setting(
        ControlConfig(), "who may change the models of a running server"
    )

    @field_validator("admission")
    @classmethod
    def _strategy_keeps_it(
        cls, admission: AdmissionConfig, info: ValidationInfo
    ) -> AdmissionConfig:
        if "scheduling" in info.data and (why := not_kept(admission, info.data["scheduling"])):
            raise ValueError(why)
        return admission


def not_kept(admission: AdmissionConfig, scheduling: SchedulingConfig) -> str:
    """Why nobody would be refused although `admission.keep` is set; empty: there is no reason."""
    if admission.keep is None or scheduling.strategy not in _FORESEE_NOTHING:
        return ""
    return (
        f"keep is {admission.keep:g}, but the strategy {scheduling.strategy!r} cannot tell how"
        " many answers will be in time: set scheduling.strategy to 'deadline_aware', or leave keep"
        " out"
    )


__all__ = [
    "AdmissionConfig",
    "BatchConfig",
    "ClientDefaults",
    "ClientEntry",
    "ClientsConfig",
    "ControlConfig",
    "DeadlineAwareConfig",
    "DispatchConfig",
    "DoorConfig",
    "HealthConfig",
    "HttpConfig",
    "ImagesConfig",
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
    "not_kept",
]
