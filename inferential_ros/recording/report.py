"""The figures of a replay, as data and as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from inferential_ros.recording.commands import Difference
from inferential_ros.recording.comparison import Compared
from inferential_ros.recording.provenance import Provenance
from inferential_ros.recording.replayed_bridge import ReplayedBridge

REASONS = 5  # told at most
FAILURES = ("rejected", "errors", "lost")  # outcomes that no robot should see
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
    observations: int  # sent
    outcomes: dict[str, int]
    not_ready: int  # observations not made, for want of a sample, as when a recording begins
    refused: int  # observations not made as a sample does not fit the contract
    refusals: dict[str, int]  # the most frequent reasons for that
    unsent: int  # observations that were made, but could not be sent
    latency_ms: dict[str, float]  # sample's stamp to first action published
    budget_ms: float
    within_budget: int
    executed: int  # plans of which an action was published
    deadline_hits: int  # plans that arrived before the actions ran out, as in BridgeStatus
    deadline_misses: int  # plans that arrived after it
    invalid_plans: int
    action_ticks: int
    fallback_ticks: int
    last_error: str
    commands: int
    unanswered: int
    difference: dict[str, dict[str, float]]
    clock: str  # which clock of the recording was the robot's
    episodes: int
    recorded_model_version: str  # whose plans are in the recording, '' where it does not say
    model_versions: list[str]  # that answered now
    notes: list[str]  # what of the recording could not be read
    compared: Compared | None = None  # with another model, where that was asked for

    @classmethod
    def of(
        cls,
        bridge: ReplayedBridge,
        difference: Difference,
        *,
        speed: float,
        messages: int,
        wall_s: float,
        late_s: float,
        latencies_s: Sequence[float],
        budget_ms: float | None,
        clock: str,
        episodes: int,
        recorded: Provenance,
        versions: Sequence[str],
        notes: Sequence[str],
        compared: Compared | None = None,
    ) -> Report:
        """The report of one replay: what the bridge did, and how far it is from what was recorded.

        Times are seconds, `budget_ms` milliseconds (None: the contract has no latency budget).
        """
        figures, counted = bridge.statistics, bridge.counted
        budget_ms = budget_ms or DEFAULT_BUDGET_MS
        latencies_ms = 1000.0 * np.array(latencies_s)
        percentiles = {"p50": 50, "p95": 95, "p99": 99, "max": 100}
        return cls(
            speed=speed,
            messages=messages,
            wall_s=wall_s,
            late_ms=1000.0 * late_s,
            reference=counted.reference.key.name,
            samples=counted.reference.received,
            observations=figures.observations,
            outcomes=figures.outcomes,
            not_ready=counted.not_ready,
            refused=counted.refused.total(),
            refusals=dict(counted.refused.most_common(REASONS)),
            unsent=bridge.unsent,
            latency_ms={
                name: float(np.percentile(latencies_ms, share))
                for name, share in percentiles.items()
                if latencies_ms.size
            },
            budget_ms=budget_ms,
            within_budget=int((latencies_ms <= budget_ms).sum()),
            executed=int(latencies_ms.size),
            deadline_hits=figures.plans_in_time,
            deadline_misses=figures.plans_late,
            invalid_plans=figures.invalid_plans,
            action_ticks=figures.action_ticks,
            fallback_ticks=figures.fallback_ticks,
            last_error=figures.last_error,
            commands=difference.compared,
            unanswered=difference.unanswered,
            difference=difference.summary(),
            clock=clock,
            episodes=episodes,
            recorded_model_version=recorded.model_version,
            model_versions=list(versions),
            notes=list(notes),
            compared=compared,
        )

    @property
    def failures(self) -> int:
        """Observations that came to nothing by a fault, and plans that were refused."""
        answered = sum(self.outcomes[name] for name in FAILURES)
        return answered + self.refused + self.unsent + self.invalid_plans

    @property
    def good(self) -> bool:
        """Whether plans were executed, nothing failed, and there was something to compare."""
        compared = self.compared is None or self.compared.answers > 0
        return self.executed > 0 and not self.failures and compared

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON takes it."""
        compared = self.compared.as_dict() if self.compared else None
        return asdict(replace(self, compared=None)) | {"compared": compared}

    def text(self) -> str:
        """The figures as lines for people; no figure is told of what did not happen."""
        lines = [
            *self._read(),
            *self._asked(),
            *self._executed_plans(),
            *self._beside_commands(),
            *(self.compared.lines() if self.compared else ()),
            *(f"note: {note}" for note in self.notes),
        ]
        return "\n".join(lines)

    def _read(self) -> list[str]:
        pace = (
            f"at {self.speed:g} times the recorded speed, at most {self.late_ms:.1f} ms late"
            if self.speed
            else "in lockstep with the answers"
        )
        lines = [f"replayed {self.messages} messages in {self.wall_s:.1f} s, {pace}"]
        several = f", in {self.episodes} episodes" if self.episodes > 1 else ""
        lines.append(f"the robot's clock is that of {self.clock}{several}")
        if self.model_versions or self.recorded_model_version:
            answered = ", ".join(self.model_versions) or "none"
            recorded = self.recorded_model_version or "unknown"
            lines.append(f"model version now: {answered}; when the robot was recorded: {recorded}")
        return lines

    def _asked(self) -> list[str]:
        outcomes = ", ".join(f"{n} {name}" for name, n in self.outcomes.items() if n)
        lines = [
            f"sent {self.observations} observations, from {self.samples} samples of"
            f" {self.reference!r}: {outcomes or 'none ended'}"
        ]
        if self.not_ready:
            lines.append(f"not asked for want of a sample: {self.not_ready} times")
        if self.unsent:
            lines.append(f"observations that could not be sent: {self.unsent}")
        if self.refused:
            lines.append(f"not asked, as a sample does not fit the contract: {self.refused} times")
        lines += [f"  {count} times: {reason}" for reason, count in self.refusals.items()]
        if self.invalid_plans:
            lines.append(f"plans that were refused: {self.invalid_plans}")
        if self.last_error:
            lines.append(f"the last error: {self.last_error}")
        return lines

    def _executed_plans(self) -> list[str]:
        if not self.executed:
            return ["no plan was executed, so there are no latencies"]
        told = ", ".join(f"{name} {value:.1f}" for name, value in self.latency_ms.items())
        planned = self.deadline_hits + self.deadline_misses
        return [
            f"latency from a sample to the action it led to, in ms: {told}",
            f"within the budget of {self.budget_ms:g} ms: {self.within_budget} of"
            f" {self.executed} plans",
            f"plans that came before the actions ran out: {self.deadline_hits} of {planned}",
            f"control ticks on the fallback: {self.fallback_ticks} of {self.action_ticks}",
        ]

    def _beside_commands(self) -> list[str]:
        if not self.difference and self.unanswered:
            return [f"all {self.unanswered} recorded commands came before any action"]
        if not self.difference:
            return [
                "there are no recorded commands to compare with (name their topic with --commands)"
            ]
        width = max(map(len, self.difference))
        return [
            f"difference to {self.commands} recorded commands ({self.unanswered} came before any"
            " action):",
            f"  {'':<{width}}  mean abs       rms   max abs",
            *(
                f"  {name:<{width}}  {d['mean_abs']:8.4f}  {d['rms']:8.4f}  {d['max_abs']:8.4f}"
                for name, d in self.difference.items()
            ),
        ]
