"""The inference delay d of real-time chunking, in actions consumed.

Not the latency in steps: while a robot has nothing to execute it consumes nothing, and a chunk
that comes then needs no more of its steps skipped in the eyes of the model.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

WINDOW = 50  # newest chunks: a percentile of now; a maximum of always would never forget a stall
PERCENTILE = 95.0


class DelayMeter:
    """Counts the steps executed while each chunk was on its way."""

    def __init__(self, window: int = WINDOW) -> None:
        self._executed: deque[int] = deque(maxlen=4096)  # until when each newest step is valid
        self._delays: deque[int] = deque(maxlen=window)
        self._warm = False

    def executed(self, until_ns: int) -> None:
        """A step began to be executed that is valid until then."""
        self._executed.append(until_ns)

    def arrived(self, observed_ns: int) -> None:
        """The chunk of that observation came now. The first one is not counted: a model's first
        call also loads and compiles.
        """
        consumed = 0
        for until_ns in reversed(self._executed):
            if until_ns <= observed_ns:
                break
            consumed += 1
        if self._warm:
            self._delays.append(consumed)
        self._warm = True

    @property
    def steps(self) -> int:
        """95th percentile of the newest chunks, rounded up; 1 while nothing is known."""
        if not self._delays:
            return 1
        return math.ceil(np.percentile(self._delays, PERCENTILE, method="higher"))
