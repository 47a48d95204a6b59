"""Selects the clients of the next batch for a model that is free."""

from __future__ import annotations

import math
from collections.abc import Sequence
from heapq import nlargest, nsmallest
from itertools import chain, islice
from operator import attrgetter

from .client_queue import ClientQueue
from .model_queue import ModelQueue
from .motion import BY_TIER, Rule, crossed, most_moving, without_crossed
from .planning import Candidate, all_in_time, densest, largest_in_time
from .starvation_guard import StarvationGuard
from .utility import Utility

CALM_S = 1.0  # without a missed deadline, after which late ones take nothing from anybody
_REFRESH = 1.5  # intervals without the newer observation that was expected of a late robot
_TRIAGED = 128  # clients compared when not all can be in time, those with the nearest deadlines
_PLANNED = 4  # batches' worth of the best of them that are planned with

_since = attrgetter("since")
_worth = attrgetter("worth")


class Selection:
    """The ways to choose; each takes clients from a queue and leaves them there.

    seconds[b] is how long a batch of b takes; batches hold at most len(seconds) - 1.
    """

    def __init__(self, utility: Utility, guard: StarvationGuard, rule: Rule | None = None) -> None:
        self._utility = utility
        self._guard = guard
        self._rule = rule or Rule()

    def adaptively(
        self, queue: ModelQueue, now: float, seconds: Sequence[float]
    ) -> list[ClientQueue]:
        """As `protecting` while few robots run dry; else the batch that moves them most.

        In the order of their age where all deadlines are assumed: there is nobody to protect.
        """
        if all(map(_is_assumed, chain(queue.in_time, queue.late))):
            return _oldest(queue, len(seconds) - 1)
        if not queue.fleet.overloaded and queue.late:
            queue.fleet.note_standing(now - min(map(_stands_since, queue.late)))
        if not queue.fleet.overloaded:
            return self.protecting(queue, now, seconds)
        rule, queue.reason = self._rule, "overloaded: the most motion"
        if queue.fleet.tiers_first and not rule.strict:
            rule, queue.reason = BY_TIER, "overloaded, but nearly fits: by tier, the most motion"
        overdue = self._guard.overdue(queue, now, seconds)
        clients = most_moving(queue, overdue, seconds, rule)
        self._guard.pay(queue, seconds, len(clients), len(overdue))
        return clients

    def protecting(
        self, queue: ModelQueue, now: float, seconds: Sequence[float]
    ) -> list[ClientQueue]:
        """All in time where that is possible; else those who earn most worth per second."""
        entries = queue.in_time.entries
        overdue = self._guard.overdue(queue, now, seconds)
        if entries and not overdue and all_in_time(entries, 0, now, seconds, queue.timing.pace):
            queue.reason = "all can be in time"
            size = largest_in_time(entries[0][0] - now, seconds[: len(entries) + 1])
            return self._filled(queue, queue.in_time.first(size), now, seconds)
        clients = self._triaged(queue, overdue, now, seconds)
        if clients:
            queue.reason = "not all can be in time"
            self._guard.pay(queue, seconds, len(clients), len(overdue))
            if entries:
                queue.contended_until = now + CALM_S
            return clients
        if queue.late and now < queue.contended_until:
            queue.reason = "late ones wait for their newer observations"
            queue.hold_until = self._next_change(queue, now, seconds)
            return []
        queue.reason = "late ones only"
        few = batch_size_without_harm(queue, seconds)
        clients = nsmallest(few, queue.late, key=_since)
        return clients + queue.charged.first(few - len(clients))

    def fairly(self, queue: ModelQueue, now: float, seconds: Sequence[float]) -> list[ClientQueue]:
        """All in time where that is possible; else who has waited longest."""
        entries = queue.in_time.entries
        if (
            entries
            and not queue.late
            and not self._guard.overdue(queue, now, seconds)
            and all_in_time(entries, 0, now, seconds, queue.timing.pace)
        ):
            queue.reason = "all can be in time"
            size = largest_in_time(entries[0][0] - now, seconds[: len(entries) + 1])
            return without_crossed(queue.in_time.first(size))
        return _oldest(queue, len(seconds) - 1)

    def by_worth(
        self, queue: ModelQueue, now: float, seconds: Sequence[float]
    ) -> list[ClientQueue]:
        """The greatest worth, whatever the deadlines."""
        queue.reason = "the greatest worth"
        limit = len(seconds) - 1
        clients = self._guard.overdue(queue, now, seconds)
        waiting = [
            self.candidate(client, now, client.deadline - now)
            for client in (*queue.in_time, *queue.late)
            if client not in clients
        ]
        overdue = len(clients)
        clients = clients + [
            each.item for each in nlargest(limit - overdue, waiting, key=_worth_then_age)
        ]
        self._guard.pay(queue, seconds, len(clients), overdue)
        return clients + queue.charged.first(limit - len(clients))

    def candidate(self, client: ClientQueue, now: float, slack: float) -> Candidate:
        """A client and its worth now, which is noted as the score of its observation.

        slack: s until its deadline; inf for one that is late and stands still.
        """
        head = client.head
        assert head is not None
        served_at = client.served_at
        age = now - (head.waiting_since if head.waiting_since > served_at else served_at)
        head.score = worth = self._utility.now(client.static_worth, head.priority, age, slack)
        return Candidate(worth, slack, client)

    def _triaged(
        self, queue: ModelQueue, overdue: list[ClientQueue], now: float, seconds: Sequence[float]
    ) -> list[ClientQueue]:
        """Overdue ones, and with them the best of those in time and those that stand still."""
        most = _PLANNED * (len(seconds) - 1)
        candidates = [
            self.candidate(client, now, client.deadline - now)
            for client in islice(queue.in_time, _TRIAGED)
            if client not in overdue
        ]
        candidates += [
            self.candidate(client, now, math.inf)
            for client in self._standing(queue, now, most, seconds[1])
            if client not in overdue
        ]
        best = nlargest(most, candidates, key=_worth)
        batch = densest(best, seconds, len(overdue), queue.timing.pace)
        return [*overdue, *(each.item for each in batch)]

    def _filled(
        self, queue: ModelQueue, clients: list[ClientQueue], now: float, seconds: Sequence[float]
    ) -> list[ClientQueue]:
        """Give spare places to those that are late, while nobody's deadline suffers."""
        spare = len(seconds) - 1 - len(clients)
        if not spare or not (queue.late or queue.charged):
            return clients
        more = self._standing(queue, now, spare, seconds[1])
        if now >= queue.contended_until:
            if len(more) < len(queue.late):
                standing = set(more)
                rest = (client for client in queue.late if client not in standing)
                more += nsmallest(spare - len(more), rest, key=_since)
            more += queue.charged.first(spare - len(more))
        entries, taken = queue.in_time.entries, len(clients)
        first_deadline = entries[0][0]
        for count in range(len(more), 0, -1):
            end = now + seconds[taken + count]
            if end <= first_deadline and all_in_time(
                entries, taken, end, seconds, queue.timing.pace
            ):
                return clients + more[:count]
        return clients

    def _standing(
        self, queue: ModelQueue, now: float, count: int, soonest_s: float
    ) -> list[ClientQueue]:
        """Late ones no newer observation is expected of: robots that stand still.

        The most important tier first, and within it who has waited longest: only so many of them
        are compared with those who can be in time.
        """
        standing = [client for client in queue.late if now >= refreshes_at(client, soonest_s)]
        return nsmallest(count, standing, key=_tier_then_since)

    def _next_change(self, queue: ModelQueue, now: float, seconds: Sequence[float]) -> float:
        """When to choose again for those that wait, if nothing arrives before."""
        at = queue.contended_until
        affordable = self._guard.affordable_at(queue, now, seconds)
        for client in queue.late:
            at = min(at, refreshes_at(client, seconds[1]))
            at = min(at, max(affordable, client.since + self._guard.after_s))
        return max(at, now)


def batch_size_without_harm(queue: ModelQueue, seconds: Sequence[float]) -> int:
    """Size of a batch that leaves time for whoever comes next."""
    window = min(queue.windows, default=math.inf)
    return largest_in_time(window - seconds[1], seconds)


def refreshes_at(client: ClientQueue, soonest_s: float) -> float:
    """Until when a late client may yet send a newer observation that can be in time."""
    head = client.head
    assert head is not None
    if not head.supersede or client.deadline - head.received_at < soonest_s:
        return -math.inf
    return head.received_at + _REFRESH * head.time_until_next


def _oldest(queue: ModelQueue, limit: int) -> list[ClientQueue]:
    """Those who have waited longest; those who are charged where there is room."""
    queue.reason = "the oldest first"
    waiting = without_crossed([*queue.in_time, *queue.late])
    clients = nsmallest(limit, waiting, key=_since)
    return clients + queue.charged.first(limit - len(clients))


def _is_assumed(client: ClientQueue) -> bool:
    assert client.head is not None
    return client.head.deadline_is_assumed


def _stands_since(client: ClientQueue) -> float:
    """Since when its robot has stood still, or from when it will; inf where that is not known.

    It says so, or it sends no newer observation, and runs dry while this one waits.
    """
    head = client.head
    assert head is not None
    dry_at = math.inf
    if head.steps_remaining == 0:
        if not crossed(client):
            dry_at = head.received_at
    elif head.runs_dry_at < math.inf and not head.supersede:  # False where unknown
        dry_at = head.runs_dry_at
    return max(dry_at, client.served_at, client.throttled_until)


def _tier_then_since(client: ClientQueue) -> tuple[int, float]:
    assert client.head is not None
    return client.head.priority, client.since


def _worth_then_age(candidate: Candidate) -> tuple[float, float]:
    return candidate.worth, -candidate.item.since
