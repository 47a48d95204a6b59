"""How long batches take, as a scheduler plans with what was learned of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .latency import MARGIN, NEGLIGIBLE_S, LatencyModel

_LEAST_S = 1e-6  # time of a batch while nothing is known
# The line through what was learned is trusted for batches so many times larger than any seen.
_TRUSTED = 2


@dataclass(eq=False, slots=True)
class Timing:
    """The plan for one model: how long each batch takes, as far as it is known by now."""

    seconds: list[float] = field(default_factory=lambda: [0.0, 0.0])  # of batches of 0, 1, ...
    pace: float = 1.0  # share of a batch's time after which another one can begin
    negligible_latency: bool = False  # it was learned that even the largest one takes no time
    harmless: bool = True  # the same, or nothing is known yet
    _made_of: tuple[LatencyModel, int, int, int] | None = None

    def refresh(self, latency: LatencyModel, limit: int, lanes: int) -> list[float]:
        """Seconds of batches of 0, 1, ... `limit` after all that `latency` has learned by now."""
        made_of = (latency, limit, lanes, latency.updates)
        if made_of != self._made_of:
            self._made_of = made_of
            self.pace = 1.0 / lanes
            longest = latency.with_margin + limit * latency.per_observation
            self.negligible_latency = longest <= NEGLIGIBLE_S  # False where nothing is known: NaN
            self.harmless = self.negligible_latency or longest != longest
            self.seconds = batch_seconds(latency, limit)
        return self.seconds


def batch_seconds(latency: LatencyModel, limit: int) -> list[float]:
    """How long batches of 0, 1, ... `limit` take, with a margin of two standard deviations.

    The mean of its size where it was measured, and L(b) = a + c b as far as twice the largest
    batch that was seen. Beyond, what the largest one took is taken for each so many observations:
    no model is slower in one call than in several, and whether it is faster is found out by
    batches that grow, not at the cost of a deadline.
    """
    each = latency.per_observation
    fixed = latency.with_margin
    largest = latency.largest_batch
    if fixed != fixed:  # nothing is known
        return [0.0, *[_LEAST_S] * limit]
    # written out, as it is done anew after each batch: max(), predict() cost more than all else
    taken, seconds = fixed, [0.0]
    trusted = min(limit, _TRUSTED * largest)
    for _ in range(trusted):
        taken += each
        seconds.append(taken if taken > _LEAST_S else _LEAST_S)
    seconds = latency.with_means(seconds, MARGIN)
    if trusted < limit:
        share = max(each, seconds[largest] / largest)
        seconds += [max(seconds[-1], size * share) for size in range(trusted + 1, limit + 1)]
    return seconds


def most_seconds(latency: LatencyModel, limit: int) -> list[float]:
    """How long batches of 0, 1, ... `limit` take at most: what a promise may count on.

    As `batch_seconds` as far as the largest batch that was seen. Beyond, the steepest line goes on
    that the sizes seen allow, and no batch takes longer than several calls of that size. Where
    batches of one size only were seen, these calls are all that is known.
    """
    seconds = batch_seconds(latency, limit)
    largest = latency.largest_batch
    if 0 < largest < limit:
        known = seconds[largest]
        for size in range(largest + 1, limit + 1):
            more = latency.padded(size) - largest
            seconds[size] = min(-(-size // largest) * known, known + more * latency.steepest)
    return seconds
