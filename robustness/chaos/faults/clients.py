"""Clients that harm the others."""

from __future__ import annotations

from ..stage import Stage
from ..verdict import Row
from .fault import Fault, unnoticed

LEECHES, RATE_HZ = 8, 25.0
MOST_SILENT_S = 1.0


class SlowReaders(Fault):
    family = "clients"
    name = "slow readers"
    what = "eight clients ask for 100 KB at 25 Hz and read nothing"

    def begin(self, stage: Stage) -> None:
        self._leeches = stage.program("leeches.py", stage.seen_at, LEECHES, RATE_HZ)
        self._leeches.hear()

    def end(self, stage: Stage) -> None:
        self._leeches.end()

    def promises(self, row: Row) -> list[str]:
        return unnoticed(row, MOST_SILENT_S)


FAULTS = (SlowReaders,)
