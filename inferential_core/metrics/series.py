"""The newest points of one metric, in arrays that are written in a circle."""

from __future__ import annotations

from array import array
from collections.abc import Mapping

import numpy as np

Labels = Mapping[str, str]


class Series:
    """At most `size` points of (time, value, labels). One thread at a time adds, any reads.

    Arrays of numbers and one list: no object is made for a point, and none burdens the garbage
    collector.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._times = array("d", bytes(8 * size))
        self._values = array("d", bytes(8 * size))
        self._labels: list[Labels | None] = [None] * size
        self._count = 0  # ever added

    def add(self, time: float, value: float, labels: Labels) -> None:
        place = self._count % self._size
        self._times[place] = time
        self._values[place] = value
        self._labels[place] = labels
        self._count += 1

    def values(self, since: float, wanted: Labels | None) -> np.ndarray:
        """Values (n,) float64 from the time `since` on whose labels include `wanted`.

        In no particular order. One added meanwhile may be missing.
        """
        count = min(self._count, self._size)
        chosen = np.frombuffer(self._times, np.float64)[:count] >= since
        if wanted:
            chosen &= self._matching(count, wanted)
        return np.frombuffer(self._values, np.float64)[:count][chosen]

    def latest(self, wanted: Labels | None) -> float | None:
        """The newest value whose labels include `wanted`."""
        newest = self._count - 1
        for number in range(newest, max(-1, newest - self._size), -1):
            place = number % self._size
            labels = self._labels[place]
            if labels is not None and (not wanted or _includes(labels, wanted)):
                return self._values[place]
        return None

    def _matching(self, count: int, wanted: Labels) -> np.ndarray:
        labels = self._labels[:count]
        kinds = {id(each): each for each in labels}  # few, although the points are many
        good = {key for key, each in kinds.items() if each and _includes(each, wanted)}
        return np.fromiter((id(each) in good for each in labels), np.bool_, count)


def _includes(labels: Labels, wanted: Labels) -> bool:
    return all(labels.get(key) == value for key, value in wanted.items())
