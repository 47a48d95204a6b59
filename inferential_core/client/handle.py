"""One handle on one model: how it asks, and the observations whose replies it waits for."""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

from ..errors import UsageError
from ..wire.tensors import MessageWriter
from .reply import AwaitedReply

# What becomes of an episode when its robot has to go to another server: that one begins it anew,
# or the robot stays, and stops, until the next episode.
RESTART, REFUSE = "restart", "refuse"

MOST = (1 << 32) - 1  # of steps that are left, and of tiers
_UNSAID = float("nan")  # an object that no caller has


@dataclass(frozen=True)
class ModelOptions:
    """How a handle asks its model; see `Connection.model`."""

    latency_budget_ms: float | None = None
    priority: int | None = None
    control_period_ms: float = 0.0
    supersede: bool = False
    lost_after_ms: float | None = None
    encode: Mapping[str, str] = field(default_factory=dict)
    stateful_failover: str = RESTART

    def __post_init__(self) -> None:
        if self.latency_budget_ms is not None and not self.latency_budget_ms > 0:
            raise UsageError(f"latency_budget_ms must be above 0, not {self.latency_budget_ms}")
        if self.priority is not None and self.priority < 0:
            raise UsageError(
                f"priority must be a tier from 0 (the most important), not {self.priority}"
            )
        if not self.control_period_ms >= 0:
            raise UsageError(
                f"control_period_ms must not be negative, but is {self.control_period_ms}"
            )
        if self.stateful_failover not in (RESTART, REFUSE):
            raise UsageError(
                f"stateful_failover must be {RESTART!r} or {REFUSE!r},"
                f" not {self.stateful_failover!r}"
            )
        for key, encoding in self.encode.items():
            if encoding not in ("jpeg", "png"):
                raise UsageError(f"encode[{key!r}] must be 'jpeg' or 'png', not {encoding!r}")


class ModelSession:
    """One handle on one model: its options, its epoch, and what it waits for."""

    def __init__(self, model_id: str, options: ModelOptions, writer: MessageWriter) -> None:
        self.model_id = model_id
        self.options = options
        self.writer = writer
        self.epoch = 0
        self.answered = False  # in this epoch
        # What the message of the writer says: as it was asked last, and of the server's clock.
        self.urgency = _UNSAID
        self.steps_remaining: int | None = None
        self.priority: int | None = None
        self.clock_offset_ns: int | None = None
        limit_ms = options.lost_after_ms
        self.lost_after_s = math.inf if limit_ms is None else limit_ms / 1000.0
        self.lost_why = f"no answer within {1000.0 * self.lost_after_s:.0f} ms"
        self.pending: deque[AwaitedReply] = deque()

    @property
    def runway_s(self) -> float | None:
        """Seconds of actions that the robot had when it asked last; None where it did not say."""
        if self.steps_remaining is None or not self.options.control_period_ms:
            return None
        return self.steps_remaining * self.options.control_period_ms / 1000.0

    @property
    def stays(self) -> bool:
        """Whether its episode must not go on at another server."""
        return self.answered and self.options.stateful_failover == REFUSE

    def say(self, urgency: float, priority: int | None) -> None:
        """Have the observations to come say this; UsageError names what is out of range."""
        said = _clipped(urgency)
        message, self.urgency = self.writer.message, _UNSAID  # should this fail half-way
        message.urgency = said
        tier = self.options.priority if priority is None else priority
        if tier is None:
            message.ClearField("priority")
        else:
            message.priority = counted("priority", tier)
        self.urgency, self.priority = said, priority


def counted(name: str, value: Any) -> int:
    """`value` as the message takes it; UsageError where it is no count."""
    if isinstance(value, Integral) and 0 <= int(value) <= MOST:
        return int(value)
    raise UsageError(f"{name} must be a whole number from 0, not {value!r}")


def _clipped(given: Any) -> float:
    if type(given) is float and 0.0 <= given <= 1.0:
        return given
    if not isinstance(given, Real):
        raise UsageError(
            f"urgency is a number from 0.0 to 1.0, not {type(given).__name__};"
            " what is observed is given by name: observe(joints=...)"
        )
    urgency = float(given)
    if math.isnan(urgency):
        raise UsageError("urgency must be from 0.0 to 1.0, not NaN")
    if not 0.0 <= urgency <= 1.0:
        warnings.warn(f"urgency {urgency} is clipped to 0.0 .. 1.0", stacklevel=6)
    return min(1.0, max(0.0, urgency))
