"""Somebody sets the wall clock (of the run's processes: cast/walltime.py)."""

from __future__ import annotations

from ..stage import Stage
from .fault import Fault

HOUR_S = 3600.0


class ClockBack(Fault):
    family = "clock"
    name = "clock set back"
    what = "an hour, while everybody is at work, and to the right time again"
    offset_s = -HOUR_S

    def begin(self, stage: Stage) -> None:
        stage.set_clocks(self.offset_s)

    def end(self, stage: Stage) -> None:
        stage.set_clocks(0.0)


class ClockForward(ClockBack):
    name = "clock set forward"
    offset_s = HOUR_S


FAULTS = (ClockBack, ClockForward)
