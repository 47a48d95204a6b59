"""What a fault is: it begins, lasts and ends, and may promise more than all do."""

from __future__ import annotations

import random

from ..stage import Stage
from ..verdict import Row


class Fault:
    """One fault, once. It is over when `end` returns."""

    family = ""
    name = ""
    what = ""
    way = "direct"  # of stage.WAYS
    lasts_s = (3.0, 5.0)
    silences_server = False  # nobody can ask it meanwhile
    loses_messages = False  # on the way, so that the server cannot have seen them all

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.seconds = chance.uniform(*self.lasts_s)
        self.remark = ""

    def begin(self, stage: Stage) -> None:
        raise NotImplementedError

    def end(self, stage: Stage) -> None:
        raise NotImplementedError

    def promises(self, row: Row) -> list[str]:
        """What broke of what this fault promises beside leases, return and accounts."""
        return []


def unnoticed(row: Row, most_s: float) -> list[str]:
    """For faults that are none of a robot's business: nobody falls silent."""
    return [
        f"{kind} were silent for {silence:.2f} s, at most {most_s:g}"
        for kind, silence in row.silence_s.items()
        if silence > most_s
    ]
