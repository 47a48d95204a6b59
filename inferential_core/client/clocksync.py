"""Estimates the offset of the server's monotonic clock from the times that replies echo.

The wall clocks of the two machines play no part: they may be wrong by hours.
"""

from __future__ import annotations

from collections import deque


class ClockOffset:
    """Minimum-delay filter, as in NTP (RFC 5905, section 8 and 10).

    From a round trip with client times t0 (send), t3 (receive) and server times t1 (receive), t2
    (send):  offset = ((t1 - t0) + (t2 - t3)) / 2,  delay = (t3 - t0) - (t2 - t1). The error of an
    offset is at most half its delay, so among the newest samples the one with the smallest delay
    counts. Old samples leave, as clocks drift apart: in a minute by 0.9 ms at the frequency
    tolerance of that RFC (PHI, 15e-6 s/s).
    """

    WINDOW = 64  # samples
    WINDOW_NS = 60 * 10**9

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int, int]] = deque()  # delay, offset, when it came; ns
        self._best: tuple[int, int, int] | None = None
        self.ns: int | None = None  # server's clock minus ours; None until a reply told its times

    def learn(self, t0: int, t1: int, t2: int, t3: int) -> None:
        """Times of one round trip, ns; ignored where they contradict each other."""
        delay = (t3 - t0) - (t2 - t1)
        if not t1 or delay < 0:
            return
        samples, best = self._samples, self._best
        sample = (delay, ((t1 - t0) + (t2 - t3)) // 2, t3)
        samples.append(sample)
        while len(samples) > self.WINDOW or t3 - samples[0][2] > self.WINDOW_NS:
            if samples.popleft() is best:
                best = None
        if best is None:
            best = min(samples)
        elif sample < best:
            best = sample
        self._best, self.ns = best, best[1]

    def forget(self) -> None:
        """Another server, another clock."""
        self._samples.clear()
        self._best = self.ns = None
