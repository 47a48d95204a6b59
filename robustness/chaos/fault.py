"""What a fault is: it begins, lasts and ends, and may promise more than all do."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .stage import Stage
from .verdict import Row


@dataclass(frozen=True)
class Fault:
    """One kind of fault. It is over when `end` returns, which is given what `begin` returned.

    If that has a `remark` and `broken` promises, they are told. way: of stage.WAYS.
    silences_server: nobody can ask it meanwhile. loses_messages: on the way, so that the server
    cannot have seen them all. most_silent_s: how long any robot may be silent.
    """

    family: str
    name: str
    what: str
    begin: Callable[[Stage, random.Random], Any]
    end: Callable[[Stage, Any], object]
    lasts_s: tuple[float, float] = (3.0, 5.0)
    way: str = "direct"
    silences_server: bool = False
    loses_messages: bool = False
    most_silent_s: float = float("inf")

    def promises(self, row: Row) -> list[str]:
        """What broke of what this fault promises beside leases, return and accounts."""
        return [
            f"{kind} were silent for {silence:.2f} s, at most {self.most_silent_s:g}"
            for kind, silence in row.silence_s.items()
            if silence > self.most_silent_s
        ]
