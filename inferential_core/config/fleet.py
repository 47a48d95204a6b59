"""The sections about the fleet: who asks, what is learned of its pace, what is measured."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from .scheduling import Milliseconds
from .section import Section, setting


class ClientDefaults(Section):
    """What holds for clients that do not say it themselves."""

    latency_budget_ms: Milliseconds = setting(50.0, "time to answer where a client states none")
    priority: int = setting(1, "0 is the most important tier", ge=0, le=1_000_000)


class ClientEntry(Section):
    """Settings of one client, or of one client on one model."""

    id: str | int = Field(description="the client's id, as it says it")
    model: str | None = setting(None, "the only model this entry speaks of; unset: all")
    latency_budget_ms: Milliseconds | None = setting(None, "wins over what the client states")
    priority: int | None = setting(None, "wins over what the client states", ge=0, le=1_000_000)


class ClientsConfig(Section):
    """Who may ask, and how soon each needs its answers."""

    RELOADS: ClassVar[bool] = True

    defaults: ClientDefaults = setting(
        ClientDefaults(), "for what neither client nor `known` says"
    )
    known: list[ClientEntry] = setting(
        list, "clients with settings of their own", max_length=100_000
    )
    accept_unknown: bool = setting(True, "false: clients not in `known` are REJECTED")

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

    cadence_alpha: float = setting(0.3, "weight of the newest interval", gt=0, lt=1)
    overdue_multiplier: float = setting(1.5, "x cadence: a client is overdue", gt=1, le=1000)
    disconnect_timeout_s: float = setting(10.0, "silence that counts as gone", gt=0, le=86400)


class MetricsConfig(Section):
    """What is measured and how long it is kept."""

    RELOADS: ClassVar[bool] = True

    enabled: bool = setting(True, "whether anything is recorded")
    ring_buffer_size: int = setting(10000, "points kept per metric", ge=100, le=10_000_000)
    prometheus_clients: int = setting(
        200, "clients with series of their own; the rest is `other`", ge=0, le=100_000
    )
    traces_per_s: float = setting(
        100.0, "requests traced, at most, if OpenTelemetry is set up", ge=0, le=1e6
    )
