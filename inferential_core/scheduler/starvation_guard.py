"""The starvation guard and its bound: nobody waits for ever."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from operator import attrgetter

from .client_queue import ClientQueue
from .model_queue import ModelQueue

_since = attrgetter("since")


class StarvationGuard:
    """Serves who has waited longest, once that is too long, out of a small share of the time.

    The share is saved up as credit while nobody needs it, two full batches' worth at most. A
    client is overdue `after_s` after it began to wait or was served last. Whenever a batch is
    formed and the credit holds the time of a batch of one, L(1), the client that has been overdue
    longest is in it, and its place is paid for.

    Bound. Let n clients wait. Those before an overdue one are at most n - 1, as whoever is served
    goes behind it. A place costs what it adds to a batch, at most C: L(1), or the highest step
    L(b) - L(b-1) of the curve where that is higher. Credit grows by `share` a second, is not lost
    while somebody is overdue, and is never below L(1) - C. So n places need n * C of it at most.
    And a batch is formed every L(B) at the latest, in whichever mode: none of them leaves the
    model idle while somebody is overdue and can be paid for. So nobody waits longer than

        after_s + L(B) + n * max(C / share, L(B))

    A client that is charged counts as waiting only from when it no longer is (`record_service`).
    Far less is usual: a place in a full batch costs L(B) / B, and those who can still be in time
    are served before they are overdue because worth grows with age.
    """

    def __init__(self, after_s: float, share: float) -> None:
        self.after_s = after_s
        self.share = share

    def earn(self, queue: ModelQueue, now: float, seconds: Sequence[float]) -> None:
        """Credit for the time that has passed."""
        passed = now - queue.credited_at
        if passed > 0:
            queue.credited_at = now
            most = 2 * seconds[-1]
            queue.credit_s = min(most, queue.credit_s + self.share * min(passed, 1e6))

    def overdue(
        self, queue: ModelQueue, now: float, seconds: Sequence[float]
    ) -> list[ClientQueue]:
        """The client that is overdue longest, if there is one and it can be paid for; O(n)."""
        if queue.credit_s < seconds[1] or now < queue.none_overdue_before:
            return []
        oldest = min((*queue.in_time, *queue.late), key=_since, default=None)
        if oldest is None:
            return []
        if now - oldest.since < self.after_s:
            # Those that begin to wait later are overdue later.
            queue.none_overdue_before = oldest.since + self.after_s
            queue.oldest_since = oldest.since
            return []
        return [oldest]

    def pay(self, queue: ModelQueue, seconds: Sequence[float], size: int, overdue: int) -> None:
        """A batch of `size` holds so many overdue ones."""
        if overdue:
            place = seconds[-1] / (len(seconds) - 1)  # what somebody else could have had
            queue.credit_s -= max(overdue * place, seconds[size] - seconds[size - overdue])

    def affordable_at(self, queue: ModelQueue, now: float, seconds: Sequence[float]) -> float:
        """When there will be enough credit for one."""
        return now + max(0.0, seconds[1] - queue.credit_s) / self.share

    def longest_wait_s(self, clients: int, seconds: Sequence[float]) -> float:
        """The bound on the wait while so many clients wait, s."""
        if not clients:
            return math.nan
        dearest = max(after - before for before, after in itertools.pairwise(seconds))
        return self.after_s + seconds[-1] + clients * max(dearest / self.share, seconds[-1])
