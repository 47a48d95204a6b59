"""When each robot had better ask again, so that a fleet does not ask all at once."""

from __future__ import annotations

_FILL = 0.9  # share of the model's time that is promised
_BATCHES = 2.0  # an observation waits for the batch at hand and then for its own


class Calendar:
    """Counts the observations expected in each span of time, as long as a full batch.

    A robot may ask between the moment it would by itself and the last one at which it can still
    be answered before it runs dry; it is given the first span in between that is not full, so
    that the load is spread and a fleet that asks more than the model can answer asks less often.
    O(spans between the two), at most the length of a chunk in batches.
    """

    def __init__(self) -> None:
        self._expected: dict[int, int] = {}  # span -> observations
        self._width_s = 0.0
        self._oldest = 0

    def book(
        self, natural: float, latest: float, now: float, width_s: float, batch: float
    ) -> float:
        """When to ask, `natural` or later; counted as expected then.

        natural, latest: when the observation would arrive, and the last moment at which a robot
        can still be served in time. width_s: time of a full batch of `batch` observations.
        """
        if width_s <= 0.0:
            return natural
        self._turn_to(now, width_s)
        first = int(natural / self._width_s)
        last = max(first, int(latest / self._width_s))
        room = max(1.0, _FILL * batch * self._width_s / width_s)
        span = first
        while span < last and self._expected.get(span, 0) + 1 > room:
            span += 1
        taken = self._expected.get(span, 0)
        self._expected[span] = taken + 1
        if span == first:
            return natural
        return min(latest, (span + min(1.0, taken / room)) * self._width_s)

    def _turn_to(self, now: float, width_s: float) -> None:
        if not 0.5 * width_s < self._width_s < 2.0 * width_s:  # another model than it was
            self._expected.clear()
            self._width_s = width_s
            self._oldest = int(now / width_s)
        present = int(now / self._width_s)
        if present - self._oldest > 1000:
            self._expected = {s: n for s, n in self._expected.items() if s >= present}
            self._oldest = present
        while self._oldest < present:
            self._expected.pop(self._oldest, None)
            self._oldest += 1


def latest_arrival(runs_dry: float, away_s: float, width_s: float) -> float:
    """The last moment for an observation to arrive whose robot runs dry then."""
    return runs_dry - away_s - _BATCHES * width_s
