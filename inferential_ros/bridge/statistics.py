"""Counts and measures what a bridge does; status.py turns it into a message."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field

from inferential_core import Status
from inferential_core.status import OUTCOMES

# As BridgeStatus has them.
OUTCOME_NAMES = {status: status.value for status in OUTCOMES} | {Status.ERROR: "errors"}
LATENCY_WINDOW = 500  # newest samples, 10 s at 50 Hz: a percentile of now, not of always


@dataclass
class Statistics:
    """Counters since the last activation, named as in BridgeStatus, and the latency window."""

    observations: int = 0
    replies: Counter[Status] = field(default_factory=Counter)
    invalid_plans: int = 0
    plans_in_time: int = 0  # arrived before the actions ran out: `deadline_hits` there
    plans_late: int = 0  # arrived after it: `deadline_misses` there
    fallback_ticks: int = 0
    action_ticks: int = 0
    last_error: str = ""
    latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCY_WINDOW))
    observation_rate: float = math.nan
    action_rate: float = math.nan
    _before: tuple[float, int, int] | None = None

    @property
    def outcomes(self) -> dict[str, int]:
        """How the observations ended, by the names of BridgeStatus."""
        return {name: self.replies[status] for status, name in OUTCOME_NAMES.items()}

    def fail(self, reason: str) -> None:
        """An observation or a plan failed."""
        self.last_error = reason

    def measure_rates(self, now_s: float) -> None:
        """Rates since the last call, which comes once a second."""
        if self._before is not None and now_s > self._before[0]:
            seconds = now_s - self._before[0]
            self.observation_rate = (self.observations - self._before[1]) / seconds
            self.action_rate = (self.action_ticks - self._before[2]) / seconds
        self._before = (now_s, self.observations, self.action_ticks)

    def latency_percentiles(self) -> tuple[int, float, float]:
        """Samples, median and 95th percentile in seconds, NaN without samples."""
        samples = sorted(self.latencies_s)
        return len(samples), _percentile(samples, 0.50), _percentile(samples, 0.95)


def _percentile(ordered: list[float], share: float) -> float:
    """Linear between two samples, as NumPy's, which takes ten times as long for so few."""
    if not ordered:
        return math.nan
    below, part = divmod(share * (len(ordered) - 1), 1.0)
    low, high = ordered[int(below)], ordered[math.ceil(below + part)]
    return low + part * (high - low)
