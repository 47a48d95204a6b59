"""How long a model takes for a batch of b, learned while it runs: L(b) = a + c*b."""

from __future__ import annotations

import math


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
        self.per_observation = math.nan  # c, s
        self.largest_batch = 0  # of those learned from
        self._weight = 0.0
        self._mean_size = 0.0
        self._mean_seconds = 0.0
        self._size_moment = 0.0  # weighted sum of squares about the mean
        self._cross_moment = 0.0
        self._seconds_moment = 0.0
        self._variance = 0.0

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
        self._variance = unexplained / weight if unexplained > 0.0 else 0.0

    def predict(self, batch_size: int) -> float:
        """Expected seconds for a batch; 0 while nothing is known."""
        if math.isnan(self.fixed):
            return 0.0
        return max(0.0, self.fixed + self.per_observation * batch_size)

    @property
    def deviation(self) -> float:
        """Standard deviation of what the model took around the line through it, s."""
        return math.sqrt(self._variance)
