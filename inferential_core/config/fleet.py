"""The sections about the fleet: who asks, what the server learns of its pace, what it measures."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from .scheduling import Milliseconds
from .section import Section, setting


class ClientDefaults(Section):
    """What holds for clients that do not say it themselves."""

    latency_budget_ms: Milliseconds = setting(50.0, "latency budget of clients that state none")
    priority: int = setting(
        1, "tier of clients that state none; 0 is the most important", ge=0, le=1_000_000
    )


class ClientEntry(Section):
    """Settings of one client, or of one client on one model."""

    id: str | int = Field(description="the client's id, as the client states it")
    model: str | None = setting(
        None, "the only model to which this entry applies; unset: all models"
    )
    latency_budget_ms: Milliseconds | None = setting(None, "replaces what the client states")
    priority: int | None = setting(None, "replaces what the client states", ge=0, le=1_000_000)


class AdmissionConfig(Section):
    """Whether there is a place for one more robot."""

    RELOADS: ClassVar[bool] = True

    keep: float | None = setting(
        None,
        "share of answers in time that the robots which are served keep: a new robot that would"
        " push it below is REJECTED; unset: nobody is",
        gt=0,
        lt=1,
    )


class ClientsConfig(Section):
    """Who may ask, and how soon each needs its answers."""

    RELOADS: ClassVar[bool] = True

    defaults: ClientDefaults = setting(
        ClientDefaults(), "values that hold if neither the client nor `known` states one"
    )
    known: list[ClientEntry] = setting(
        list, "clients with settings of their own", max_length=100_000
    )
    accept_unknown: bool = setting(
        True, "whether to serve clients that are not in `known`; false: they are REJECTED"
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
    """How the pace of clients is learned, and when one counts as gone."""

    RELOADS: ClassVar[bool] = True

    cadence_alpha: float = setting(
        0.3, "weight of the newest interval in a client's cadence", gt=0, lt=1
    )
    overdue_multiplier: float = setting(
        1.5, "no client is overdue before this many times its cadence", gt=1, le=1000
    )
    disconnect_timeout_s: float = setting(
        10.0, "a client that is silent for this long is gone", gt=0, le=86400
    )


class MetricsConfig(Section):
    """What is measured and how long it is kept."""

    RELOADS: ClassVar[bool] = True

    enabled: bool = setting(True, "whether the server records measurements")
    ring_buffer_size: int = setting(
        10000, "points that are kept for each metric", ge=100, le=10_000_000
    )
    prometheus_clients: int = setting(
        200,
        "most clients with series of their own in Prometheus; all others are `other`",
        ge=0,
        le=100_000,
    )
    traces_per_s: float = setting(
        100.0, "most requests a second that are traced, if OpenTelemetry is set up", ge=0, le=1e6
    )
