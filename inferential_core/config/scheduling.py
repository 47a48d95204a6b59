"""The section `scheduling`: the strategy, its weights and limits."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from .section import Section, setting

Milliseconds = Annotated[float, Field(gt=0, le=3_600_000.0)]  # an hour at most
Weight = Annotated[float, Field(ge=0, le=1e6)]


class DeadlineAwareConfig(Section):
    """Weights are percentages: docs/scheduling.md has the formula."""

    cadence_weight: Weight = setting(45.0, "weight of a near deadline")
    urgency_weight: Weight = setting(25.0, "weight of the urgency that the client claims")
    steps_weight: Weight = setting(15.0, "weight of few remaining steps")
    priority_weight: Weight = setting(
        10.0, "how many times more a tier is worth than the next one"
    )
    age_weight: Weight = setting(15.0, "weight of the time that an observation has waited")
    mode: Literal["protect", "fair", "adaptive"] = setting(
        "adaptive",
        "what happens when there are too many robots: protect lets a few wait, fair lets all"
        " stall a little, adaptive decides by how the fleet does and keeps it moving most",
    )
    strict_tiers: bool = setting(
        False,
        "whether tiers come before all else, in mode adaptive, where there are too many robots",
    )
    starvation_guard_ms: Milliseconds = setting(
        3000.0, "an observation that has waited this long goes first, within guard_share"
    )
    guard_share: float = setting(
        0.05, "largest share of the model's time for those observations, 0 to 1", gt=0, le=1
    )


class BatchConfig(Section):
    """Options of the strategy `batch_optimized`."""

    max_batch_size: int | None = setting(
        None,
        "form a batch when this many observations wait; unset: scheduling.max_batch_size",
        ge=1,
        le=65536,
    )
    max_wait_ms: Milliseconds = setting(
        10.0, "form a batch when the oldest observation has waited this long"
    )


class TieredConfig(Section):
    """Options of the strategy `priority_tiered`."""

    num_tiers: int = setting(
        3,
        "number of tiers; all priorities from num_tiers - 1 on share the last tier",
        ge=1,
        le=1000,
    )


class SchedulingConfig(Section):
    """Which observations a model sees next, and in what batches."""

    RELOADS: ClassVar[bool] = True

    strategy: str = setting(
        "deadline_aware",
        "deadline_aware, batch_optimized, priority_tiered, round_robin, or a registered"
        " one of your own",
        min_length=1,
        max_length=100,
    )
    policy: str | None = setting(
        None, "registered scoring policy of your own for deadline_aware", max_length=100
    )
    modules: list[str] = setting(
        list,
        "modules that the server imports first; they register strategies or policies of your own",
        max_length=100,
    )
    max_batch_size: int = setting(8, "most observations in one model call", ge=1, le=65536)
    max_queue_size: int = setting(
        1000, "most observations that wait, of all clients together", ge=1, le=10_000_000
    )
    request_ttl_ms: float = setting(
        5000.0, "time after which a waiting observation is EXPIRED; .inf: never", gt=0
    )
    overflow_policy: Literal["drop_oldest", "reject_newest"] = setting(
        "drop_oldest", "which observation is DROPPED from a full queue"
    )
    max_retries: int = setting(
        0, "how often an observation is queued again after its model failed on it", ge=0, le=1000
    )
    deadline_aware: DeadlineAwareConfig = setting(
        DeadlineAwareConfig(), "options of the strategy deadline_aware"
    )
    batch_optimized: BatchConfig = setting(
        BatchConfig(), "options of the strategy batch_optimized"
    )
    priority_tiered: TieredConfig = setting(
        TieredConfig(), "options of the strategy priority_tiered"
    )
    options: dict[str, Any] = setting(
        dict, "options of a scheduler of your own, which reads them itself"
    )
