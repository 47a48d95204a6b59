"""Computes figures of recent requests, for each client and each model.

Fed with the server's `Events`, on the thread of the web server. Times are monotonic seconds.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque

from ..status import Status
from ..tracking.recent import Events, Served

ANSWERS = 64  # newest ones of a client that its figures rest on
JUDGED_S = 3.0  # what is starving now is said of this long
JUDGED = 256  # and of so many ends at most
BIN_S = 0.5  # one point of a sparkline
BINS = 60
CALLS = 300  # newest ones of a model that its figures rest on

_GONE = math.nan
_UNANSWERED = 2


class ClientWindow:
    """The newest ends of one client's requests; those superseded by itself left out."""

    def __init__(self, now: float) -> None:
        self.first_seen = now
        self.answered_at = _GONE
        self._latencies: deque[float] = deque(maxlen=ANSWERS)  # s; NaN where there was no answer
        self._in_time: deque[bool] = deque(maxlen=ANSWERS)
        self._lately: deque[tuple[float, int]] = deque()  # when, and what of these
        self._counts = [0, 0, 0]  # late, in time, without an answer
        self._bins: deque[float] = deque(maxlen=BINS)  # least time left in each; NaN: none ended
        self._bin = 0  # number of the newest one

    def add(self, at: float, latency: float, left: float) -> None:
        """An end: latency in s, NaN without an answer; left: s before the deadline."""
        answered = latency == latency
        hit = answered and left >= 0.0
        if answered:
            self.answered_at = at
        self._in_time.append(hit)
        self._latencies.append(latency)
        kind = int(hit) if answered else _UNANSWERED
        self._lately.append((at, kind))
        self._counts[kind] += 1
        if len(self._lately) > JUDGED:
            self._forget()
        if left == math.inf:
            return
        self._advance(int(at / BIN_S))
        newest = self._bins[-1]
        if not newest <= left:  # also where it is NaN
            self._bins[-1] = left

    def _advance(self, number: int) -> None:
        if not self._bins:
            self._bin = number - 1
        for _ in range(min(number - self._bin, BINS)):
            self._bins.append(_GONE)
        self._bin = max(self._bin, number)

    def history(self, now: float) -> list[float]:
        """Least time left before a deadline, s, in each BIN_S; oldest first, NaN where none."""
        if self._bins:
            self._advance(int(now / BIN_S))
        return list(self._bins)

    def judged(self, now: float) -> tuple[int, int, int]:
        """Of the last seconds: ends, those of them in time, those without an answer."""
        since, lately = now - JUDGED_S, self._lately
        while lately and lately[0][0] < since:
            self._forget()
        _, in_time, unanswered = self._counts
        return len(lately), in_time, unanswered

    def _forget(self) -> None:
        _, kind = self._lately.popleft()
        self._counts[kind] -= 1

    def on_time(self) -> float:
        """Share of the newest ends that were answers in time; NaN where there are none."""
        return sum(self._in_time) / len(self._in_time) if self._in_time else _GONE

    def quantiles(self) -> tuple[float, float]:
        """Latency of the newest answers at the server, s: p50, p95; NaN where there are none."""
        found = sorted([latency for latency in self._latencies if latency == latency])
        if not found:
            return _GONE, _GONE
        return found[len(found) // 2], found[min(len(found) - 1, int(0.95 * len(found)))]


class ModelWindow:
    """The newest calls of one model."""

    def __init__(self) -> None:
        self.calls: deque[tuple[int, float]] = deque(maxlen=CALLS)  # observations, s

    def add(self, served: Served) -> None:
        """Take in a call that has ended."""
        self.calls.append((served.together, served.call_s))

    def sizes(self) -> list[tuple[int, int, float]]:
        """For each size of a call: how many there were lately, and how long one took, s."""
        found: dict[int, list[float]] = {}
        for size, seconds in self.calls:
            found.setdefault(size, []).append(seconds)
        return [(size, len(s), sorted(s)[len(s) // 2]) for size, s in sorted(found.items())]


class Windows:
    """Of all clients and models the server knows."""

    def __init__(self) -> None:
        self.clients: dict[str, ClientWindow] = {}
        self.models: defaultdict[str, ModelWindow] = defaultdict(ModelWindow)

    def add(self, events: Events, now: float) -> None:
        """Work in what happened; now: monotonic s."""
        for served in events.served:
            self.models[served.batch.model_id].add(served)
            at, failed = served.at, served.failed
            for index, request in enumerate(served.batch.requests):
                if failed is None or not failed[index]:
                    left = request.deadline - at
                    self.client(request.client_id, now).add(at, at - request.received_at, left)
        for at, request, status in events.ended:
            if status is not Status.SUPERSEDED:  # its robot has a newer one on the way
                left = min(0.0, request.deadline - at)
                self.client(request.client_id, now).add(at, _GONE, left)

    def client(self, client_id: str, now: float) -> ClientWindow:
        """The window of a client; one that is new begins now (seconds)."""
        window = self.clients.get(client_id)
        if window is None:
            window = self.clients[client_id] = ClientWindow(now)
        return window

    def keep(self, clients: set[str], models: set[str]) -> None:
        """Forget those that the server forgot."""
        if len(self.clients) > len(clients):
            self.clients = {name: w for name, w in self.clients.items() if name in clients}
        for name in self.models.keys() - models:
            del self.models[name]
