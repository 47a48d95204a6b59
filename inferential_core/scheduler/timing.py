"""How long a model's batches take, as the scheduler plans with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..tracking.latency import LatencyModel

NEGLIGIBLE_S = 1e-3  # a batch that is done so soon takes nothing from whoever comes meanwhile
_MARGIN = 2.0  # standard deviations of its latency that a model is given beyond the mean
_LEAST_S = 1e-6  # time of a batch while nothing is known
# A model that is done in no time is planned with anew after so many calls, as a plan that is
# wrong by less than NEGLIGIBLE_S changes nothing and making it would cost more than the model.
_REPLANNED_CALLS = 16
# The line through what was learned is trusted for batches so many times larger than any seen.
_TRUSTED = 2


@dataclass(eq=False, slots=True)
class Timing:
    """The plan for one model: how long each batch takes, as far as it is known by now."""

    seconds: list[float] = field(default_factory=lambda: [0.0, 0.0])  # of batches of 0, 1, ...
    pace: float = 1.0  # share of a batch's time after which another one can begin
    negligible_latency: bool = False  # it was learned that even the largest one takes no time
    harmless: bool = True  # the same, or nothing is known yet
    _latency: LatencyModel | None = None
    _limit: int = 0  # largest batch
    _calls: int = 0  # calls of the model that the plan was made after

    def refresh(self, latency: LatencyModel, limit: int, lanes: int) -> list[float]:
        """Seconds of batches of 0, 1, ... `limit` after all that `latency` has learned by now."""
        same = latency is self._latency and limit == self._limit
        calls = latency.calls
        self.pace = 1.0 / lanes
        if same and calls == self._calls:
            return self.seconds
        longest = _fixed(latency) + limit * latency.per_observation
        negligible = longest <= NEGLIGIBLE_S  # False where it is NaN, as nothing is known
        if same and negligible and self.negligible_latency:
            if calls < self._calls + _REPLANNED_CALLS:
                return self.seconds
        self._latency, self._limit, self._calls = latency, limit, calls
        self.negligible_latency = negligible
        self.harmless = negligible or longest != longest
        self.seconds = batch_seconds(latency, limit)
        return self.seconds


def batch_seconds(latency: LatencyModel, limit: int) -> list[float]:
    """How long batches of 0, 1, ... `limit` take, with a margin of two standard deviations.

    L(b) = a + c b as far as twice the largest batch that was seen. Beyond, what the largest one
    took is taken for each so many observations: no model is slower in one call than in several,
    and whether it is faster is found out by batches that grow, not at the cost of a deadline.
    """
    each = latency.per_observation
    fixed = _fixed(latency)
    largest = latency.largest_batch
    if fixed != fixed:  # nothing is known
        each, fixed, largest = 0.0, 0.0, limit
    # written out, as it is done anew after each batch: max(), predict() cost more than all else
    taken, seconds = fixed, [0.0]
    trusted = min(limit, _TRUSTED * largest)
    for _ in range(trusted):
        taken += each
        seconds.append(taken if taken > _LEAST_S else _LEAST_S)
    if trusted < limit:
        share = max(each, seconds[largest] / largest)
        seconds += [size * share for size in range(trusted + 1, limit + 1)]
    return seconds


def _fixed(latency: LatencyModel) -> float:
    """What a batch takes whatever its size, with the margin; NaN while nothing is known."""
    return latency.fixed + _MARGIN * latency.deviation
