"""How long to wait before the next observation, after a model that gives nothing usable.

A new sample comes a hundred times a second: asked at once, a broken model would get them all.
"""

from __future__ import annotations

LONGEST_S = 1.0


class Backoff:
    """Doubles with each failure, from one policy period to a second; times are handed in."""

    def __init__(self, first_s: float) -> None:
        self._first_s = min(first_s, LONGEST_S)
        self._wait_s = 0.0
        self._until_s = float("-inf")

    def failed(self, now_s: float) -> None:
        if now_s < self._until_s:
            return  # an answer to what was asked before: it is no new attempt
        self._wait_s = min(2 * self._wait_s, LONGEST_S) if self._wait_s else self._first_s
        self._until_s = now_s + self._wait_s

    def succeeded(self) -> None:
        self._wait_s, self._until_s = 0.0, float("-inf")

    def waiting(self, now_s: float) -> bool:
        return now_s < self._until_s
