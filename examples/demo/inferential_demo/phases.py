"""The script of the demo: when the model is how slow, and who is pushed when. Pure data."""

from __future__ import annotations

import random
from dataclasses import dataclass

FAST_SHARE = 0.4  # of the whole run
RECOVERY_SHARE = 0.1
SLOW_STEPS_MS = (25, 50, 75, 100, 125, 150, 200, 300)
PUSH_EVERY_S = 2.5
PUSH_IMPULSE = (0.06, 0.10)  # N s at the tip of the pole


@dataclass(frozen=True)
class Phase:
    """A stretch of the run under one added model latency."""

    name: str  # "fast", "slow" or "recovery"
    duration_s: float
    added_ms: float = 0.0

    @property
    def title(self) -> str:
        if self.name == "slow":
            return f"model slowed by {self.added_ms:g} ms"
        return "model fast again" if self.name == "recovery" else "model fast"


def phases(seconds: float, slowdown: bool = True) -> list[Phase]:
    """Fast, then slower step by step, then fast again; `seconds` in all."""
    if not slowdown:
        return [Phase("fast", seconds)]
    step_s = seconds * (1.0 - FAST_SHARE - RECOVERY_SHARE) / len(SLOW_STEPS_MS)
    return [
        Phase("fast", seconds * FAST_SHARE),
        *(Phase("slow", step_s, float(added)) for added in SLOW_STEPS_MS),
        Phase("recovery", seconds * RECOVERY_SHARE),
    ]


@dataclass(frozen=True)
class Push:
    """A blow to one robot; impulse in N s."""

    at_s: float
    robot: int
    impulse: float


def pushes(robots: int, seconds: float, seed: int) -> list[Push]:
    """Every robot every few seconds, never two at once, in the order of time."""
    chance = random.Random(seed)
    found = []
    for robot in range(robots):
        at_s = 1.0 + PUSH_EVERY_S * robot / robots
        while at_s < seconds:
            impulse = chance.choice((-1.0, 1.0)) * chance.uniform(*PUSH_IMPULSE)
            found.append(Push(at_s + chance.uniform(0.0, 0.3), robot, impulse))
            at_s += PUSH_EVERY_S
    return sorted(found, key=lambda push: push.at_s)
