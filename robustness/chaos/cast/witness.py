"""What one robot was seen to publish, and what that says of leases and silences.

Every action names the observation it answers (its tag) and the step of its plan, so that whoever
sees it knows how old it is, whatever the code that published it believes.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from robustness.chaos.cast import walltime

HORIZON = 60  # steps of a plan
LEASE_S = 0.8  # shorter than any plan
REPORTED = 5  # actions beyond lease that are told one by one


class Seen(NamedTuple):
    """One action of a plan; fallbacks are none."""

    at: float
    asked: float  # when the observation was made that it answers


class Witness:
    """Of one robot. period_s: of one step, and of the ticks that publish.

    An action is beyond its lease if its step begins after it, or if it was published more than
    one tick after it.
    """

    def __init__(self, name: str, period_s: float) -> None:
        self.name = name
        self._period_s = period_s
        self._steps = round(LEASE_S / period_s)
        self._asked: dict[int, float] = {}
        self._seen: list[Seen] = []
        self._beyond: list[tuple[float, str]] = []
        self._oldest: list[tuple[float, float]] = []

    def asked(self, tag: int, at: float) -> None:
        """An observation was made."""
        self._asked[tag] = at

    def when(self, tag: int) -> float:
        """When an observation was made; NaN for one that never was."""
        return self._asked.get(tag, math.nan)

    def published(self, tag: int, step: int, at: float, age_s: float | None = None) -> None:
        """An action was seen; age_s: since its observation, where its stamps tell."""
        asked = self._asked.get(tag)
        if asked is None:
            self._beyond.append((at, f"{self.name}: an action of observation {tag}, never made"))
            return
        age_s = at - asked if age_s is None else age_s
        if step >= self._steps or age_s > LEASE_S + self._period_s:
            told = f"{self.name}: step {step} of {self._steps}, {1e3 * age_s:.1f} ms old"
            self._beyond.append((at, told))
        self._seen.append(Seen(at, asked))
        self._oldest.append((at, age_s))

    def judge(self, since: float, ended: float, until: float) -> dict:
        """Of a window: longest silence, when it was back, actions beyond lease.

        back_s: from `ended` to the first action that answers an observation made after it; inf:
        there was none.
        """
        seen = [each for each in self._seen if since <= each.at <= until]
        times = [since, *(each.at for each in seen), until]
        back = next((each.at for each in seen if each.asked >= ended), math.inf)
        beyond = [told for at, told in self._beyond if since <= at <= until]
        return {
            "silence_s": max(after - before for before, after in zip(times, times[1:])),
            "back_s": back - ended,
            "beyond": len(beyond),
            "told": beyond[:REPORTED],
            "oldest_s": max((age for at, age in self._oldest if since <= at <= until), default=0),
        }

    def lives(self, since: float) -> bool:
        """Whether it published an action for an observation made since then."""
        return any(each.asked >= since for each in reversed(self._seen[-100:]))


def answer(question: dict[str, Any], witnesses: list[Witness]) -> Any:
    """Of all of them: what they saw in a window, whether all live, or None to another question.

    `clock_s` sets the wall clock of this process.
    """
    if "clock_s" in question:
        walltime.shift(question["clock_s"])
    if "window" in question:
        return [each.judge(*question["window"]) for each in witnesses]
    if "live_since" in question:
        return all(each.lives(question["live_since"]) for each in witnesses)
    return None
