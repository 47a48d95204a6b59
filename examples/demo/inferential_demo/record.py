"""What the director saw: one record a robot, one for the run. Plain numbers, knows no ROS."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from inferential_demo.phases import Phase

WINDOW_S = 2.0  # what the live table's figures rest on


def percentile(values: Iterable[float], percent: float) -> float:
    """Nearest-rank percentile; NaN of nothing."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(percent / 100.0 * len(ordered)) - 1)]


@dataclass
class Fall:
    """When a robot fell, and how slow the model was."""

    at_s: float
    phase: Phase


@dataclass
class RobotRecord:
    """One robot over the run. Times count from the start of the first phase."""

    name: str
    angles: list[tuple[float, float]] = field(default_factory=list)  # s, rad
    latencies: list[tuple[float, float]] = field(default_factory=list)  # s, s
    falls: list[Fall] = field(default_factory=list)
    fallen: bool = False
    # Of the newest bridge status.
    connected: bool = False
    state: str = "waiting"
    action_rate: float = math.nan
    runway_s: float = math.nan
    plans_in_time: int = 0
    plans_late: int = 0
    recent: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=500))

    def add_latency(self, at_s: float, latency_s: float) -> None:
        """From a sensor's stamp to the publishing of the first action that rests on it."""
        self.recent.append((at_s, latency_s))
        if at_s >= 0.0:
            self.latencies.append((at_s, latency_s))

    def forget(self) -> None:
        """What was drawn already; who goes on for hours must not keep all of it."""
        self.angles.clear()
        self.latencies.clear()
        self.falls.clear()

    def recent_latency(self, now_s: float, percent: float) -> float:
        """Percentile over the last WINDOW_S, in s."""
        return percentile((v for t, v in self.recent if t > now_s - WINDOW_S), percent)

    def latency(self, start_s: float, end_s: float, percent: float) -> float:
        """Percentile over a stretch of the run, in s."""
        return percentile((v for t, v in self.latencies if start_s <= t < end_s), percent)


@dataclass
class RunRecord:
    """The run: its robots, and each phase with the time it began and ended."""

    robots: list[RobotRecord]
    spans: list[tuple[Phase, float, float]] = field(default_factory=list)
    pushes: list[tuple[float, int]] = field(default_factory=list)  # s, robot
    mean_batch: float = math.nan
    interrupted: bool = False

    def falls(self, phase_name: str) -> list[tuple[RobotRecord, Fall]]:
        """Falls while a phase of that name ran, in the order of time."""
        found = [(r, f) for r in self.robots for f in r.falls if f.phase.name == phase_name]
        return sorted(found, key=lambda pair: pair[1].at_s)

    def span(self, phase_name: str) -> tuple[float, float]:
        """From the first start to the last end of the phases of that name; (nan, nan) if none."""
        spans = [(start, end) for phase, start, end in self.spans if phase.name == phase_name]
        return (spans[0][0], spans[-1][1]) if spans else (math.nan, math.nan)

    def latency(self, phase_name: str, percent: float) -> float:
        """Percentile over all robots while a phase of that name ran, in s."""
        start_s, end_s = self.span(phase_name)
        return percentile(
            (v for r in self.robots for t, v in r.latencies if start_s <= t < end_s), percent
        )

    @property
    def stood(self) -> bool:
        """Every robot stood through the whole fast phase, and that phase took place."""
        return bool(self.spans) and not self.interrupted and not self.falls("fast")
