"""The sections about the fleet: who asks, what is learned of its pace, what is measured."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from .scheduling import HOUR_MS, Milliseconds
from .section import Section


class ClientDefaults(Section):
    """What holds for clients that do not say it themselves."""

    latency_budget_ms: Milliseconds = Field(
        default=50.0, gt=0, le=HOUR_MS, description="time to answer where a client states none"
    )
    priority: int = Field(
        default=1, ge=0, le=1_000_000, description="0 is the most important tier"
    )


class ClientEntry(Section):
    """Settings of one client, or of one client on one model."""

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
    """Who may ask, and how soon each needs its answers."""

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
    """How the pace of clients is learned, and when one counts as gone."""

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
    """What is measured and how long it is kept."""

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
