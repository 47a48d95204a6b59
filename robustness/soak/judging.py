"""Whether a server grew, from samples over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .sampling import Sample

WARM_SHARE = 0.2  # of the run: metrics fill their ring buffers, the allocator its arenas
MOST_MB_PER_10_MIN = 1.0


class Verdict(NamedTuple):
    """Of one measure."""

    name: str
    text: str
    good: bool

    def told(self) -> str:
        """In a line."""
        return f"{self.name:14}{self.text}: {'good' if self.good else 'BAD'}"


def judge(samples: Sequence[Sample]) -> list[Verdict]:
    """Of what came after the warm-up."""
    warm_until = WARM_SHARE * samples[-1].minute
    steady = [each for each in samples if each.minute >= warm_until]
    minutes = [each.minute for each in steady]
    slope = 10 * slope_per_minute(minutes, [each.memory_mb for each in steady])
    verdicts = [
        Verdict(
            "memory",
            f"{slope:+.3f} MB per 10 min, under {MOST_MB_PER_10_MIN:g}",
            slope < MOST_MB_PER_10_MIN,
        )
    ]
    for name in ("descriptors", "threads", "tasks"):
        values = [getattr(each, name) for each in steady]
        verdicts.append(_flat(name, values))
    failed, sent = (sum(getattr(each, name) for each in samples) for name in ("failed", "sent"))
    lost = samples[-1].lost  # what had no answer at the end; at the others some were only late
    # Where the machine is busy with something else, what waits too long is expired or dropped.
    told = f"{lost} of {sent} without any, {failed} with another outcome than OK"
    verdicts.append(Verdict("answers", told, lost == 0))
    exact = all(each.exact for each in samples)
    verdicts.append(Verdict("accounts", "added up each time" if exact else "did not", exact))
    seen = samples[-1].scrapes > 0 and samples[-1].events > 0
    told = f"{samples[-1].scrapes} scrapes, {samples[-1].events} events of the page"
    verdicts.append(Verdict("page, metrics", told, seen))
    return verdicts


def slope_per_minute(minutes: Sequence[float], values: Sequence[float]) -> float:
    """Theil-Sen: the median of the slopes between all pairs, which a single step does not tilt."""
    if len(values) < 3:
        return float("nan")
    x, y = np.array(minutes), np.array(values)
    first, second = np.triu_indices(len(x), k=1)
    return float(np.median((y[second] - y[first]) / (x[second] - x[first])))


def _flat(name: str, values: list[int]) -> Verdict:
    """What comes and goes may; the least of the last quarter must not be above the first's most.

    Connections of the page and of scrapers open and close all the time.
    """
    quarter = max(1, len(values) // 4)
    early, late = values[:quarter], values[-quarter:]
    text = f"{min(early)} to {max(early)} early, {min(late)} to {max(late)} late"
    return Verdict(name, text, min(late) <= max(early))
