"""How long a robot may be silent before something is wrong: judged by its own jitter.

A multiple of the mean interval alone calls every robot late whose requests come unevenly, and
none that sends like a clock. So the usual spread counts, as in TCP's retransmission timeout
(RFC 6298: mean plus so many mean deviations), and so do the longest pauses that it has made.
"""

from __future__ import annotations

import math

_MEMORY = 0.05  # weight of the newest interval in the mean and in the deviation
_FEW = 20  # intervals, each of which weighs as much as any other
_DEVIATIONS = 8.0  # beyond the mean, mean absolute ones
_MOST = 2.9  # x mean, unless the robot itself has paused longer: within three of its periods
_SLOWER = 1.5  # x mean, from where on its newest intervals say that its pace has changed
_BEYOND = 1.5  # x the longest pause but one
_BLOCK = 500  # intervals; pauses are remembered for one to two of them


class Silence:
    """Of one client. Times are seconds.

    The longest pause but one counts, not the longest: a single one, such as a reboot of the
    network, must not keep a robot that stops from being seen.

    least: x its mean interval, for which it may be silent whatever the deviation.
    """

    __slots__ = (
        "_before",
        "_count",
        "_deviation",
        "_longest_but_one",
        "_pauses",
        "least",
        "mean",
    )

    def __init__(self, least: float = 1.5) -> None:
        self.least = least
        self.mean = math.nan  # interval; NaN until it was heard twice
        self._deviation = 0.0
        self._count = 0  # intervals
        self._pauses = [0.0, 0.0]  # the two longest of this block, the shorter first
        self._before = [0.0, 0.0]  # and of the block before
        self._longest_but_one = 0.0  # of both

    def learn(self, interval: float) -> None:
        """It was heard so long after it was heard before."""
        self._count = count = self._count + 1
        if count == 1:
            self.mean = interval
            return
        weight = _MEMORY if count > _FEW else 1.0 / count
        difference = interval - self.mean
        self.mean += weight * difference
        self._deviation += weight * (abs(difference) - self._deviation)
        if interval > self._pauses[0]:
            self._pauses = sorted((interval, self._pauses[1]))
            self._longest_but_one = sorted(self._pauses + self._before)[-2]
        if count % _BLOCK == 0:
            self._before, self._pauses = self._pauses, [0.0, 0.0]
            self._longest_but_one = self._before[0]

    def allowed(self, lately: float) -> float:
        """For how long nothing needs to come from it; NaN while that is not known.

        lately: mean of its newest intervals, which counts if it asks much less often than it did.
        """
        mean = self.mean if lately <= _SLOWER * self.mean else lately
        usual = min(mean + _DEVIATIONS * self._deviation, _MOST * mean)
        return max(self.least * mean, usual, _BEYOND * self._longest_but_one)
