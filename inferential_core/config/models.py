"""The sections about models: where they run, on what part of a cluster, and when they are ill."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from .scheduling import HOUR_MS, Milliseconds
from .section import Section


class HealthConfig(Section):
    """When a model that fails is left alone for a while: the circuit breaker."""

    RELOADS: ClassVar[bool] = True

    failures: int = Field(
        default=5,
        ge=0,
        le=1_000_000,
        description="observations failed in a row that open a model's circuit; 0: never",
    )
    window_s: float = Field(
        default=0.5,
        ge=0,
        le=3600,
        description="time without a success, likewise",
    )
    open_s: float = Field(
        default=1.0,
        gt=0,
        le=86400,
        description="first pause; doubles while tries fail",
    )
    most_open_s: float = Field(default=1.5, gt=0, le=86400, description="longest pause")


class LeaseConfig(Section):
    """A lease that the model's specification states holds where it is shorter."""

    RELOADS: ClassVar[bool] = True

    valid_for_ms: Milliseconds | None = Field(
        default=None,
        gt=0,
        le=HOUR_MS,
        description="how long after its observation an answer may be acted on; unset: no lease"
        " but the model's",
    )
    models: dict[str, Annotated[Milliseconds, Field(gt=0, le=HOUR_MS)]] = Field(
        default_factory=dict, description="the same for single models, by id"
    )

    def granted_ms(self, model_id: str, specified_ms: float) -> float:
        """The lease on this model's answers: the shorter of what is configured and specified.

        0 stands for none, in what is specified and in what is returned.
        """
        configured = self.models.get(model_id, self.valid_for_ms)
        leases = [lease for lease in (configured, specified_ms) if lease]
        return min(leases, default=0.0)


class DispatchConfig(Section):
    """Read by `inferential serve` and by the server node; `Server` is handed a dispatcher."""

    dispatcher: Literal["", "ray", "local"] = Field(
        default="", description="where models run; unset: on Ray Serve where Ray is installed"
    )
    models: dict[str, str] = Field(
        default_factory=dict, description="models to serve, by id: module:attribute"
    )


Lanes = Annotated[int, Field(ge=1, le=1000)]
Most = Annotated[int, Field(ge=1, le=65536)]
Timeout = Annotated[float, Field(gt=0, le=86400)]


class LocalConfig(Section):
    """Models that run on the server's machine, without Ray; see `LocalDispatcher`."""

    lanes: Lanes | dict[str, Lanes] = Field(
        default=1, description="calls a model works on at once; for all, or by id"
    )
    max_batch: Most | dict[str, Most] = Field(
        default=64, description="most observations in one infer_batch; for all, or by id"
    )
    process: list[str] = Field(
        default_factory=list, description="models that run in a process for each lane"
    )
    timeout_s: Timeout | None | dict[str, Timeout | None] = Field(
        default=30.0, description="then a call is given up; for all, or by id; null: never"
    )
    warm_up: bool = Field(default=True, description="models make a first call before they serve")


class RayConfig(Section):
    """The cluster to join and what to deploy on it."""

    address: str | None = Field(
        default=None,
        description="host:port of the cluster to join, or local: start one; unset: as found",
    )
    timeout_s: float = Field(default=30.0, gt=0, le=86400, description="then a call ends ERROR")
    max_batch: int = Field(
        default=64, ge=1, le=65536, description="most observations in one infer_batch"
    )
    lanes_per_replica: int = Field(
        default=1, ge=1, le=1000, description="calls a replica gets at once"
    )
    shared_memory: bool = Field(
        default=True, description="replicas on this machine read large arrays in place"
    )
    serve_config: str | None = Field(default=None, description="Serve config file to deploy")
    deployment: dict[str, Any] = Field(
        default_factory=dict, description="options of the deployments of dispatch.models"
    )
