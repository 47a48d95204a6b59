"""The sections about models: where they run, on what resources, and what happens on failures."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from .scheduling import Milliseconds
from .section import Section, setting


class HealthConfig(Section):
    """When a model that fails is left alone for a while: the circuit breaker."""

    RELOADS: ClassVar[bool] = True

    failures: int = setting(
        5,
        "failed observations in a row after which a model's circuit opens; 0: it never opens",
        ge=0,
        le=1_000_000,
    )
    window_s: float = setting(
        0.5, "time without a success that has to pass as well", ge=0, le=3600
    )
    open_s: float = setting(
        1.0, "length of the first pause; it doubles while tries fail", gt=0, le=86400
    )
    most_open_s: float = setting(1.5, "longest pause", gt=0, le=86400)


class LeaseConfig(Section):
    """A lease that the model's specification states holds where it is shorter."""

    RELOADS: ClassVar[bool] = True

    valid_for_ms: Milliseconds | None = setting(
        None,
        "how long after its observation an answer may be executed; unset: only the"
        " model's own lease counts",
    )
    models: dict[str, Milliseconds] = setting(dict, "the same for single models, by model id")

    def granted_ms(self, model_id: str, specified_ms: float) -> float:
        """The lease on this model's answers: the shorter of what is configured and specified.

        0 stands for none, in what is specified and in what is returned.
        """
        configured = self.models.get(model_id, self.valid_for_ms)
        leases = [lease for lease in (configured, specified_ms) if lease]
        return min(leases, default=0.0)


class DispatchConfig(Section):
    """Read by `inferential serve` and by the server node; `Server` is handed a dispatcher."""

    dispatcher: Literal["", "ray", "local"] = setting(
        "", "where models run; unset: on Ray Serve if Ray is installed, otherwise local"
    )
    models: dict[str, str] = setting(
        dict,
        "models to serve, by id: module:attribute, or scheme:source; where they run local, a"
        " change of this key, or of what local says of them, takes effect at once",
    )


Lanes = Annotated[int, Field(ge=1, le=1000)]
Most = Annotated[int, Field(ge=1, le=65536)]
Timeout = Annotated[float, Field(gt=0, le=86400)]


class LocalConfig(Section):
    """Models that run on the server's machine, without Ray; see `LocalDispatcher`."""

    lanes: Lanes | dict[str, Lanes] = setting(
        1, "calls that a model works on at once; for all models, or by id"
    )
    max_batch: Most | dict[str, Most] = setting(
        64, "most observations in one call of infer_batch; for all models, or by id"
    )
    process: list[str] = setting(list, "models that run in a process of their own for each lane")
    timeout_s: Timeout | None | dict[str, Timeout | None] = setting(
        30.0, "longest time that a call may take; for all models, or by id; null: no limit"
    )
    warm_up: bool = setting(
        True, "whether models make a first call before the server accepts observations"
    )

    def by_id(self) -> Iterator[tuple[str, Collection[str]]]:
        """The options that are given for single models, each with these models' ids."""
        for option, value in self.model_dump(exclude_unset=True).items():
            if isinstance(value, (dict, list)):
                yield option, value


class ImagesConfig(Section):
    """Compressed images are decoded while their observation waits, see docs/models.md."""

    decoded_bytes: int = setting(
        256 * 1024**2,
        "most bytes of images that are decoded before their model is called; 0: each is"
        " decoded when it is called",
        ge=0,
        le=1024 * 1024**3,
    )
    threads: int = setting(
        0, "threads that decode; 0: as many as there are cores, at most 8", ge=0, le=1024
    )


class RayConfig(Section):
    """The cluster to join and what to deploy on it."""

    address: str | None = setting(
        None,
        "host:port of the cluster to join; local: start one; unset: the one that runs"
        " on this machine, otherwise start one",
    )
    timeout_s: float = setting(
        30.0, "longest time that a call may take; then it ends as ERROR", gt=0, le=86400
    )
    max_batch: int = setting(64, "most observations in one call of infer_batch", ge=1, le=65536)
    lanes_per_replica: int = setting(1, "calls that a replica gets at once", ge=1, le=1000)
    shared_memory: bool = setting(
        True, "whether replicas on this machine read large arrays in place"
    )
    serve_config: str | None = setting(None, "Ray Serve config file to deploy")
    deployment: dict[str, Any] = setting(dict, "options of the deployments of dispatch.models")
