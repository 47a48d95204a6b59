"""How long a model takes for a batch of b: the means of each size and the line L(b) = a + c*b, as
they are learned while the model runs.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

NEGLIGIBLE_S = 1e-3  # a batch that is done so soon takes nothing from whoever comes meanwhile
MARGIN = 2.0  # standard deviations of its latency that a model is given beyond the mean
# Once so many calls are known, those that take no time are learned from as many at once: that is
# 16 ms late at the most, and one at a time would cost more than the model.
_GATHERED_CALLS = 16
_SEVERAL = 0.1  # squared observations; with less, batches were of one size
_MEASURED = 2.7  # weight of three batches of one size, whose mean counts alone


class SizeLatency:
    """What batches of one size took: weighted mean and moment, older ones forgotten.

    One that is off by more than a tenth, and by more than usual, is chance, or the model is
    another one by now. The next one decides: where it is off to the same side, these two are all
    that is known of this size.
    """

    FORGETTING = 0.9  # weight that a batch keeps with every newer one of its size
    _OFF = 0.1  # share of the mean
    _UNUSUAL = 3.0  # standard deviations

    __slots__ = ("weight", "mean", "_moment", "_doubted_s")

    def __init__(self, mean: float, weight: float = 0.0) -> None:
        self.weight = weight
        self.mean = mean
        self._moment = 0.0  # weighted sum of squares about the mean
        self._doubted_s = math.nan  # the newest one, where it was off

    def learn(self, seconds: float, count: int = 1, scatter: float = 0.0) -> float:
        """Take `count` of them in; the squared distance of what was learned from the mean.

        seconds: their mean. scatter: sum of their squared distances from that.
        """
        off = seconds - self.mean
        usual = self._UNUSUAL * math.sqrt(self._moment / self.weight) if self.weight else math.inf
        is_off = abs(off) > max(self._OFF * self.mean, usual)
        doubted, self._doubted_s = self._doubted_s, math.nan
        if doubted == doubted:
            if is_off and off * (doubted - self.mean) > 0.0:
                self.weight = 0.0
            return self._take_in(doubted) + self._take_in(seconds, count, scatter)
        if is_off:
            self._doubted_s = seconds
            return 0.0
        return self._take_in(seconds, count, scatter)

    def variance(self, usual: float) -> float:
        """Around the mean, s^2, where that of all sizes is `usual`."""
        return (self._moment + usual) / (self.weight + 1.0)

    def _take_in(self, seconds: float, count: int = 1, scatter: float = 0.0) -> float:
        if not self.weight:
            self.weight, self.mean, self._moment = float(count), seconds, scatter
            return scatter
        keep = self.FORGETTING**count
        off = seconds - self.mean
        self.weight = weight = keep * self.weight + count
        self.mean += count * off / weight
        squared = count * off * (seconds - self.mean) + scatter
        self._moment = keep * self._moment + squared
        return squared


class LatencyModel:
    """A mean for each batch size beside least squares on (b, seconds); O(1) per batch.

    A size that was measured is known by its mean, whatever shape the curve has (a model that pads
    its batches has steps); the line tells of the others. Older batches are forgotten.

    The first call of a model is its warm-up and is not learned from. The line is kept as weighted
    means and moments about them (West 1979), which stay sane however long batches of one size
    come: the slope then holds what it was, at first 0 (everything is fixed cost), and the level
    follows.
    """

    FORGETTING = 0.98  # weight that a batch keeps with every newer one
    _RIDGE = 1e-3  # weight of the slope so far, in squared observations

    def __init__(self, batch_sizes: Sequence[int] = ()) -> None:
        self.batch_sizes = tuple(sorted(batch_sizes))
        self.calls = 0
        self.updates = 0  # grows whenever something is learned
        # Seconds of the calls that were not learned from yet, by batch size, and at which call
        # that is done.
        self._gathered: defaultdict[int, list[float]] = defaultdict(list)
        self._learns_at = 0
        self.fixed = math.nan  # a, s
        self.with_margin = math.nan  # the same and two standard deviations, s
        self.per_observation = math.nan  # c, s
        self.largest_batch = 0  # of those learned from
        self._weight = 0.0
        self._mean_size = 0.0
        self._mean_seconds = 0.0
        self._size_moment = 0.0  # weighted sum of squares about the mean
        self._slope_weight = 0.0  # that moment, when batches of several sizes came last
        self._cross_moment = 0.0
        self._seconds_moment = 0.0
        self.deviation = 0.0  # standard deviation around that line, s
        self._by_size: dict[int, SizeLatency] = {}
        self._squares = 0.0  # weighted sum of squared distances from the means of their sizes
        self._squares_weight = 0.0

    def set_batch_sizes(self, batch_sizes: Sequence[int]) -> None:
        """The sizes that the model is called with: it pads a batch to the next one of them.

        Empty: batches are not padded.
        """
        sizes = tuple(sorted(batch_sizes))
        if sizes != self.batch_sizes:
            self.batch_sizes = sizes
            self._by_size.clear()
            self.updates += 1

    def assume(self, seconds: Mapping[int, float], deviation_s: float = 0.0) -> None:
        """Plan with what was measured before, until calls say something else.

        seconds: of a call, by batch size. deviation_s: their standard deviation about these. The
        first call of the model still is a warm-up.
        """
        for size, taken in sorted(seconds.items()):
            self._fit(self.padded(size), taken)
            self._by_size[self.padded(size)] = SizeLatency(taken, _MEASURED)
        self._squares, self._squares_weight = deviation_s**2, 1.0
        self.updates += 1

    def padded(self, batch_size: int) -> int:
        """The size that the model is called with for a batch of so many."""
        for size in self.batch_sizes:
            if size >= batch_size:
                return size
        return batch_size

    def learn(self, batch_size: int, seconds: float) -> None:
        """A call with a batch of that size took so long, s."""
        self.calls += 1
        if self.calls == 1:
            return
        self._gathered[batch_size].append(seconds)
        if seconds > NEGLIGIBLE_S or self.calls >= self._learns_at:
            self._learn_gathered()

    def _learn_gathered(self) -> None:
        self.updates += 1
        if self.calls >= _GATHERED_CALLS:
            self._learns_at = self.calls + _GATHERED_CALLS
        for size, taken in self._gathered.items():
            if self.batch_sizes:
                size = self.padded(size)
            count = len(taken)
            mean = sum(taken) / count
            scatter = sum([(seconds - mean) ** 2 for seconds in taken])
            of_size = self._by_size.get(size)
            if of_size is None:
                of_size = self._by_size[size] = SizeLatency(mean)
            elif of_size.weight >= 1.0:
                keep = self.FORGETTING**count
                self._squares_weight = keep * self._squares_weight + count
                self._squares *= keep
            self._squares += of_size.learn(mean, count, scatter)
            self._fit(size, mean, count, scatter)
        self._gathered.clear()

    def _fit(self, size: int, seconds: float, count: int = 1, scatter: float = 0.0) -> None:
        """Take calls into the line."""
        if size > self.largest_batch:
            self.largest_batch = size
        keep = self.FORGETTING**count
        self._weight = weight = keep * self._weight + count
        from_mean = size - self._mean_size
        seconds_from_mean = seconds - self._mean_seconds
        self._mean_size = mean_size = self._mean_size + count * from_mean / weight
        self._mean_seconds += count * seconds_from_mean / weight
        mean_seconds = self._mean_seconds
        beyond = count * (seconds - mean_seconds)
        sizes = keep * self._size_moment + count * from_mean * (size - mean_size)
        cross = keep * self._cross_moment + from_mean * beyond
        own = keep * self._seconds_moment + seconds_from_mean * beyond + scatter
        self._size_moment, self._cross_moment, self._seconds_moment = sizes, cross, own
        if sizes >= _SEVERAL:
            self._slope_weight = sizes
        slope = self.per_observation
        slope = (cross + self._RIDGE * (slope if slope == slope else 0.0)) / (sizes + self._RIDGE)
        if not slope > 0.0:  # more work never takes less time
            slope = 0.0
        self.per_observation = slope
        self.fixed = mean_seconds - slope * mean_size
        unexplained = own - slope * cross
        self.deviation = math.sqrt(unexplained / weight) if unexplained > 0.0 else 0.0
        self.with_margin = self.fixed + MARGIN * self.deviation

    @property
    def steepest(self) -> float:
        """What each observation more adds at most, s: two standard errors above the line's slope.

        inf: batches of one size only were seen, which say nothing of it.
        """
        if not self._slope_weight:
            return math.inf
        return self.per_observation + MARGIN * self.deviation / math.sqrt(self._slope_weight)

    def predict(self, batch_size: int) -> float:
        """Expected seconds for a batch; 0 while nothing is known."""
        if math.isnan(self.fixed):
            return 0.0
        sizes = range(max(batch_size, self.largest_batch) + 1)
        line = [self.fixed + self.per_observation * size for size in sizes]
        return max(0.0, self.with_means(line, 0.0)[batch_size])

    def with_means(self, line: list[float], deviations: float) -> list[float]:
        """Seconds of batches of 0, 1, ...: those of `line` where a size was not measured.

        deviations: how many standard deviations a mean is given. Never less for a larger batch: a
        size between two measured ones takes no less than the one and no more than the other.
        """
        measured = self._by_size
        usual = self.deviation**2
        if self._squares_weight >= 1.0:
            usual = self._squares / self._squares_weight
        limit = len(line) - 1
        seconds, least, unknown = line[:1], 0.0, 0
        for size in range(1, limit + 1):
            called = self.padded(size) if self.batch_sizes else size
            taken = line[called if called < limit else limit]
            of_size = measured.get(called)
            if of_size is None or of_size.weight <= 1.0:
                unknown += 1
                seconds.append(taken if taken > least else least)
                continue
            mean = of_size.mean + deviations * math.sqrt(of_size.variance(usual))
            trust = min(1.0, (of_size.weight - 1.0) / (_MEASURED - 1.0))
            taken += trust * (mean - taken)
            least = taken = taken if taken > least else least
            for before in range(size - unknown, size):
                if seconds[before] > taken:
                    seconds[before] = taken
            unknown = 0
            seconds.append(taken)
        return seconds
