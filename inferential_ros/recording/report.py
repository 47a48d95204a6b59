"""The figures of a replay, as data and as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from inferential_ros.bridge.statistics import Statistics
from inferential_ros.recording.commands import Difference

OUTCOMES = ("ok", "expired", "superseded", "dropped", "rejected", "errors", "lost")
DEFAULT_BUDGET_MS = 50.0  # the client's


@dataclass(frozen=True)
class Report:
    """Times are those of this machine, whatever the speed of the replay."""

    speed: float  # 0: in lockstep
    messages: int
    wall_s: float
    late_ms: float  # the most that a message came later than recorded
    reference: str  # observation key whose samples stamp the observations
    samples: int  # of it; a newer one takes the place of one that could not be sent yet
    observations: int
    outcomes: dict[str, int]
    latency_ms: dict[str, float]  # sample's stamp to first action published
    budget_ms: float
    within_budget: int
    executed: int  # plans of which an action was published
    deadline_hits: int
    deadline_misses: int
    invalid_plans: int
    action_ticks: int
    fallback_ticks: int
    last_error: str
    commands: int
    unanswered: int
    difference: dict[str, dict[str, float]]

    @classmethod
    def of(
        cls,
        figures: Statistics,
        difference: Difference,
        *,
        speed: float,
        messages: int,
        wall_s: float,
        late_s: float,
        latencies_s: Sequence[float],
        budget_ms: float | None,
        reference: str,
        samples: int,
    ) -> Report:
        budget_ms = budget_ms or DEFAULT_BUDGET_MS
        latencies_ms = 1000.0 * np.array(latencies_s)
        percentiles = {"p50": 50, "p95": 95, "p99": 99, "max": 100}
        return cls(
            speed=speed,
            messages=messages,
            wall_s=wall_s,
            late_ms=1000.0 * late_s,
            reference=reference,
            samples=samples,
            observations=figures.observations,
            outcomes={name: getattr(figures, name) for name in OUTCOMES},
            latency_ms={
                name: float(np.percentile(latencies_ms, share))
                for name, share in percentiles.items()
                if latencies_ms.size
            },
            budget_ms=budget_ms,
            within_budget=int((latencies_ms <= budget_ms).sum()),
            executed=int(latencies_ms.size),
            deadline_hits=figures.deadline_hits,
            deadline_misses=figures.deadline_misses,
            invalid_plans=figures.invalid_plans,
            action_ticks=figures.action_ticks,
            fallback_ticks=figures.fallback_ticks,
            last_error=figures.last_error,
            commands=difference.compared,
            unanswered=difference.unanswered,
            difference=difference.summary(),
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        outcomes = ", ".join(f"{n} {name}" for name, n in self.outcomes.items() if n)
        pace = (
            f"at {self.speed:g} times their speed, at most {self.late_ms:.1f} ms late"
            if self.speed
            else "in lockstep with the answers"
        )
        lines = [
            f"{self.messages} messages in {self.wall_s:.1f} s, {pace}",
            f"{self.observations} observations of {self.samples} samples of {self.reference!r}:"
            f" {outcomes or 'none ended'}",
        ]
        if self.latency_ms:
            told = ", ".join(f"{name} {value:.1f}" for name, value in self.latency_ms.items())
            lines.append(f"latency from sample to action, ms: {told}")
            lines.append(
                f"within the budget of {self.budget_ms:g} ms: {self.within_budget} of"
                f" {self.executed} plans"
            )
        planned = self.deadline_hits + self.deadline_misses
        lines.append(f"plans in time, before actions ran out: {self.deadline_hits} of {planned}")
        lines.append(f"ticks on the fallback: {self.fallback_ticks} of {self.action_ticks}")
        if self.invalid_plans:
            lines.append(f"plans refused: {self.invalid_plans}")
        if self.last_error:
            lines.append(f"the last thing that went wrong: {self.last_error}")
        return "\n".join([*lines, *self._compared()])

    def _compared(self) -> list[str]:
        if not self.difference:
            return ["no recorded commands to compare with (--commands names their topic)"]
        width = max(map(len, self.difference))
        return [
            f"against {self.commands} recorded commands ({self.unanswered} before any action):",
            f"  {'':<{width}}  mean abs       rms   max abs",
            *(
                f"  {name:<{width}}  {d['mean_abs']:8.4f}  {d['rms']:8.4f}  {d['max_abs']:8.4f}"
                for name, d in self.difference.items()
            ),
        ]
