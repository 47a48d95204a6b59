"""The newest points of one metric."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np

Labels = Mapping[str, str]
_Point = tuple[float, float, Labels]


class Series:
    """At most `size` points. One thread at a time adds, any reads."""

    def __init__(self, size: int) -> None:
        self._points: deque[_Point] = deque(maxlen=size)
        self.add = self._points.append  # add((time, value, labels))

    def values(self, since: float, wanted: Labels | None) -> np.ndarray:
        """Values (n,) float64 from the time `since` on whose labels include `wanted`."""
        points = self._snapshot()
        if wanted:
            want = wanted.items()
            found = [value for time, value, own in points if time >= since and own.items() >= want]
        else:
            found = [value for time, value, _ in points if time >= since]
        return np.asarray(found, np.float64)

    def latest(self, wanted: Labels | None) -> float | None:
        """The newest value whose labels include `wanted`."""
        for _, value, labels in reversed(self._snapshot()):
            if not wanted or labels.items() >= wanted.items():
                return value
        return None

    def _snapshot(self) -> list[_Point]:
        while True:
            try:
                return list(self._points)
            except RuntimeError:  # one was added meanwhile: take them again
                continue
