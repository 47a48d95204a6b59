"""The section `scheduling`: the strategy, its weights and limits."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from .section import Section

Milliseconds = float

HOUR_MS = 3_600_000.0


class DeadlineAwareConfig(Section):
    """Weights are percentages: docs/scheduling.md has the formula."""

    cadence_weight: float = Field(
        default=45.0, ge=0, le=1e6, description="closeness of the deadline"
    )
    urgency_weight: float = Field(
        default=25.0, ge=0, le=1e6, description="urgency the client claims"
    )
    steps_weight: float = Field(default=15.0, ge=0, le=1e6, description="few remaining steps")
    priority_weight: float = Field(
        default=10.0, ge=0, le=1e6, description="how many times more a tier is worth than the next"
    )
    age_weight: float = Field(default=15.0, ge=0, le=1e6, description="time waited")
    mode: Literal["protect", "fair"] = Field(
        default="protect", description="overload: a few robots wait, or all stall a little"
    )
    starvation_guard_ms: Milliseconds = Field(
        default=3000.0,
        gt=0,
        le=HOUR_MS,
        description="who waited this goes first, at the cost of guard_share",
    )
    guard_share: float = Field(
        default=0.05, gt=0, le=1, description="share of the model's time for those, at most"
    )


class BatchConfig(Section):
    """Options of the strategy `batch_optimized`."""

    max_batch_size: int | None = Field(
        default=None,
        ge=1,
        le=65536,
        description="flush when this many wait; unset: scheduling.max_batch_size",
    )
    max_wait_ms: Milliseconds = Field(
        default=10.0, gt=0, le=HOUR_MS, description="flush when the oldest waited this"
    )


class TieredConfig(Section):
    """Options of the strategy `priority_tiered`."""

    num_tiers: int = Field(
        default=3, ge=1, le=1000, description="priorities from num_tiers - 1 on share a tier"
    )


class SchedulingConfig(Section):
    """Which observations a model sees next, and in what batches."""

    RELOADS: ClassVar[bool] = True

    strategy: str = Field(
        default="deadline_aware",
        min_length=1,
        max_length=100,
        description="deadline_aware, batch_optimized, priority_tiered, round_robin, or one that"
        " is registered",
    )
    policy: str | None = Field(
        default=None, max_length=100, description="registered score for deadline_aware"
    )
    modules: list[str] = Field(
        default_factory=list,
        max_length=100,
        description="imported first: they register strategies or policies of your own",
    )
    max_batch_size: int = Field(
        default=8, ge=1, le=65536, description="most observations in one model call"
    )
    max_queue_size: int = Field(
        default=1000, ge=1, le=10_000_000, description="observations waiting, all clients"
    )
    request_ttl_ms: Milliseconds = Field(
        default=5000.0, gt=0, description="then a waiting one is EXPIRED; .inf: never"
    )
    overflow_policy: Literal["drop_oldest", "reject_newest"] = Field(
        default="drop_oldest", description="who is DROPPED from a full queue"
    )
    max_retries: int = Field(
        default=0, ge=0, le=1000, description="times a failed dispatch is queued again"
    )
    deadline_aware: DeadlineAwareConfig = Field(
        default=DeadlineAwareConfig(), description="of the strategy deadline_aware"
    )
    batch_optimized: BatchConfig = Field(
        default=BatchConfig(), description="of the strategy batch_optimized"
    )
    priority_tiered: TieredConfig = Field(
        default=TieredConfig(), description="of the strategy priority_tiered"
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="of a custom scheduler, which reads them as it likes"
    )
