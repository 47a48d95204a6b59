"""The section `scheduling`: the strategy, its weights and limits."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from .section import Section, setting

Milliseconds = Annotated[float, Field(gt=0, le=3_600_000.0)]  # an hour at most
Weight = Annotated[float, Field(ge=0, le=1e6)]


class DeadlineAwareConfig(Section):
    """Weights are percentages: docs/scheduling.md has the formula."""

    cadence_weight: Weight = setting(45.0, "closeness of the deadline")
    urgency_weight: Weight = setting(25.0, "urgency the client claims")
    steps_weight: Weight = setting(15.0, "few remaining steps")
    priority_weight: Weight = setting(10.0, "how many times more a tier is worth than the next")
    age_weight: Weight = setting(15.0, "time waited")
    mode: Literal["protect", "fair"] = setting(
        "protect", "overload: a few robots wait, or all stall a little"
    )
    starvation_guard_ms: Milliseconds = setting(
        3000.0, "who waited this goes first, at the cost of guard_share"
    )
    guard_share: float = setting(0.05, "share of the model's time for those, at most", gt=0, le=1)


class BatchConfig(Section):
    """Options of the strategy `batch_optimized`."""

    max_batch_size: int | None = setting(
        None, "flush when this many wait; unset: scheduling.max_batch_size", ge=1, le=65536
    )
    max_wait_ms: Milliseconds = setting(10.0, "flush when the oldest waited this")


class TieredConfig(Section):
    """Options of the strategy `priority_tiered`."""

    num_tiers: int = setting(3, "priorities from num_tiers - 1 on share a tier", ge=1, le=1000)


class SchedulingConfig(Section):
    """Which observations a model sees next, and in what batches."""

    RELOADS: ClassVar[bool] = True

    strategy: str = setting(
        "deadline_aware",
        "deadline_aware, batch_optimized, priority_tiered, round_robin, or one that is registered",
        min_length=1,
        max_length=100,
    )
    policy: str | None = setting(None, "registered score for deadline_aware", max_length=100)
    modules: list[str] = setting(
        list, "imported first: they register strategies or policies of your own", max_length=100
    )
    max_batch_size: int = setting(8, "most observations in one model call", ge=1, le=65536)
    max_queue_size: int = setting(1000, "observations waiting, all clients", ge=1, le=10_000_000)
    request_ttl_ms: float = setting(5000.0, "then a waiting one is EXPIRED; .inf: never", gt=0)
    overflow_policy: Literal["drop_oldest", "reject_newest"] = setting(
        "drop_oldest", "who is DROPPED from a full queue"
    )
    max_retries: int = setting(0, "times a failed dispatch is queued again", ge=0, le=1000)
    deadline_aware: DeadlineAwareConfig = setting(
        DeadlineAwareConfig(), "of the strategy deadline_aware"
    )
    batch_optimized: BatchConfig = setting(BatchConfig(), "of the strategy batch_optimized")
    priority_tiered: TieredConfig = setting(TieredConfig(), "of the strategy priority_tiered")
    options: dict[str, Any] = setting(dict, "of a custom scheduler, which reads them as it likes")
