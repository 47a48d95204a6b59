"""How long a model takes for a batch of b: L(b) = a + c*b as it is learned while the model runs,
and as a scheduler plans with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

NEGLIGIBLE_S = 1e-3  # a batch that is done so soon takes nothing from whoever comes meanwhile
_MARGIN = 2.0  # standard deviations of its latency that a model is given beyond the mean
_LEAST_S = 1e-6  # time of a batch while nothing is known
# A model that is done in no time is planned with anew after so many calls, as a plan that is
# wrong by less than NEGLIGIBLE_S changes nothing and making it would cost more than the model.
_REPLANNED_CALLS = 16
# The line through what was learned is trusted for batches so many times larger than any seen.
_TRUSTED = 2


class LatencyModel:
    """Least squares on (b, seconds), older batches forgotten exponentially; O(1) per batch.

    The first call of a model is its warm-up and is not learned from. Kept as weighted means and
    moments about them (West 1979), which stay sane however long batches of one size come: the
    slope then holds what it was, at first 0 (everything is fixed cost), and the level follows.
    """

    FORGETTING = 0.98  # weight that a batch keeps with every newer one
    _RIDGE = 1e-3  # weight of the slope so far, in squared observations

    def __init__(self) -> None:
        self.calls = 0
        self.fixed = math.nan  # a, s
        self.with_margin = math.nan  # the same and two standard deviations, s
        self.per_observation = math.nan  # c, s
        self.largest_batch = 0  # of those learned from
        self._weight = 0.0
        self._mean_size = 0.0
        self._mean_seconds = 0.0
        self._size_moment = 0.0  # weighted sum of squares about the mean
        self._cross_moment = 0.0
        self._seconds_moment = 0.0
        self.deviation = 0.0  # standard deviation around that line, s

    def learn(self, batch_size: int, seconds: float) -> None:
        self.calls += 1
        if self.calls == 1:
            return
        if batch_size > self.largest_batch:
            self.largest_batch = batch_size
        keep = self.FORGETTING
        self._weight = weight = keep * self._weight + 1.0
        from_mean = batch_size - self._mean_size
        seconds_from_mean = seconds - self._mean_seconds
        self._mean_size = mean_size = self._mean_size + from_mean / weight
        self._mean_seconds = mean_seconds = self._mean_seconds + seconds_from_mean / weight
        beyond = seconds - mean_seconds
        size = keep * self._size_moment + from_mean * (batch_size - mean_size)
        cross = keep * self._cross_moment + from_mean * beyond
        own = keep * self._seconds_moment + seconds_from_mean * beyond
        self._size_moment, self._cross_moment, self._seconds_moment = size, cross, own
        slope = self.per_observation
        slope = (cross + self._RIDGE * (slope if slope == slope else 0.0)) / (size + self._RIDGE)
        if not slope > 0.0:  # more work never takes less time
            slope = 0.0
        self.per_observation = slope
        self.fixed = mean_seconds - slope * mean_size
        unexplained = own - slope * cross
        self.deviation = math.sqrt(unexplained / weight) if unexplained > 0.0 else 0.0
        self.with_margin = self.fixed + _MARGIN * self.deviation

    def predict(self, batch_size: int) -> float:
        """Expected seconds for a batch; 0 while nothing is known."""
        if math.isnan(self.fixed):
            return 0.0
        return max(0.0, self.fixed + self.per_observation * batch_size)


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
        longest = latency.with_margin + limit * latency.per_observation
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
    fixed = latency.with_margin
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
