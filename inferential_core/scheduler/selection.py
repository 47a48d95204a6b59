"""Which lines are in the next batch of a model that is free."""

from __future__ import annotations

import math
from collections.abc import Sequence
from heapq import nlargest, nsmallest
from itertools import islice
from operator import attrgetter

from .client_queue import ClientQueue
from .model_queue import ModelQueue
from .planning import Candidate, all_in_time, densest, largest_in_time
from .starvation_guard import StarvationGuard
from .utility import Utility

CALM_S = 1.0  # without a missed deadline, after which late ones take nothing from anybody
_REFRESH = 1.5  # intervals without the newer observation that was expected of a late robot
_TRIAGED = 128  # lines compared when not all can be in time, those with the nearest deadlines
_PLANNED = 4  # batches' worth of the best of them that are planned with

_since = attrgetter("since")
_worth = attrgetter("worth")


class Selection:
    """The ways to choose; each takes lines from a board and leaves them there.

    seconds[b] is how long a batch of b takes; batches hold at most len(seconds) - 1.
    """

    def __init__(self, worth: Utility, guard: StarvationGuard) -> None:
        self._worth = worth
        self._guard = guard

    def protecting(
        self, board: ModelQueue, now: float, seconds: Sequence[float]
    ) -> list[ClientQueue]:
        """All in time where that is possible; else those who earn most worth per second."""
        entries = board.due.entries
        overdue = self._guard.overdue(board, now, seconds)
        if entries and not overdue and all_in_time(entries, 0, now, seconds, board.timing.pace):
            size = largest_in_time(entries[0][0] - now, seconds[: len(entries) + 1])
            return self._filled(board, board.due.first(size), now, seconds)
        lines = self._triaged(board, overdue, now, seconds)
        if lines:
            self._guard.pay(board, seconds, len(lines), len(overdue))
            if entries:
                board.contended_until = now + CALM_S
            return lines
        if board.late and now < board.contended_until:
            board.hold_until = self._look_again(board, now, seconds)
            return []
        few = batch_size_without_harm(board, seconds)
        lines = nsmallest(few, board.late, key=_since)
        return lines + board.charged.first(few - len(lines))

    def fairly(self, board: ModelQueue, now: float, seconds: Sequence[float]) -> list[ClientQueue]:
        """All in time where that is possible; else who has waited longest."""
        limit = len(seconds) - 1
        entries = board.due.entries
        if (
            entries
            and not board.late
            and not self._guard.overdue(board, now, seconds)
            and all_in_time(entries, 0, now, seconds, board.timing.pace)
        ):
            size = largest_in_time(entries[0][0] - now, seconds[: len(entries) + 1])
            return board.due.first(size)
        lines = nsmallest(limit, (*board.due, *board.late), key=_since)
        return lines + board.charged.first(limit - len(lines))

    def by_worth(
        self, board: ModelQueue, now: float, seconds: Sequence[float]
    ) -> list[ClientQueue]:
        """The greatest worth, whatever the deadlines."""
        limit = len(seconds) - 1
        lines = self._guard.overdue(board, now, seconds)
        waiting = [
            self.candidate(line, now, line.due - now)
            for line in (*board.due, *board.late)
            if line not in lines
        ]
        overdue = len(lines)
        lines = lines + [
            each.item for each in nlargest(limit - overdue, waiting, key=_worth_then_age)
        ]
        self._guard.pay(board, seconds, len(lines), overdue)
        return lines + board.charged.first(limit - len(lines))

    def candidate(self, line: ClientQueue, now: float, slack: float) -> Candidate:
        """A line and its worth now, which is noted as the score of its observation.

        slack: s until its deadline; inf for one that is late and stands still.
        """
        head = line.head
        assert head is not None
        served_at = line.served_at
        age = now - (head.waiting_since if head.waiting_since > served_at else served_at)
        head.score = worth = self._worth.now(line.static, head.priority, age, slack)
        return Candidate(worth, slack, line)

    def _triaged(
        self, board: ModelQueue, overdue: list[ClientQueue], now: float, seconds: Sequence[float]
    ) -> list[ClientQueue]:
        """Overdue ones, and with them the best of those in time and those that stand still."""
        most = _PLANNED * (len(seconds) - 1)
        candidates = [
            self.candidate(line, now, line.due - now)
            for line in islice(board.due, _TRIAGED)
            if line not in overdue
        ]
        candidates += [
            self.candidate(line, now, math.inf)
            for line in self._standing(board, now, most, seconds[1])
            if line not in overdue
        ]
        best = nlargest(most, candidates, key=_worth)
        batch = densest(best, seconds, len(overdue), board.timing.pace)
        return [*overdue, *(each.item for each in batch)]

    def _filled(
        self, board: ModelQueue, lines: list[ClientQueue], now: float, seconds: Sequence[float]
    ) -> list[ClientQueue]:
        """Give spare places to those that are late, while nobody's deadline suffers."""
        spare = len(seconds) - 1 - len(lines)
        if not spare or not (board.late or board.charged):
            return lines
        more = self._standing(board, now, spare, seconds[1])
        if now >= board.contended_until:
            if len(more) < len(board.late):
                standing = set(more)
                rest = (line for line in board.late if line not in standing)
                more += nsmallest(spare - len(more), rest, key=_since)
            more += board.charged.first(spare - len(more))
        entries, taken = board.due.entries, len(lines)
        due = entries[0][0]
        for count in range(len(more), 0, -1):
            end = now + seconds[taken + count]
            if end <= due and all_in_time(entries, taken, end, seconds, board.timing.pace):
                return lines + more[:count]
        return lines

    def _standing(
        self, board: ModelQueue, now: float, count: int, soonest_s: float
    ) -> list[ClientQueue]:
        """Late ones no newer observation is expected of: robots that stand still, oldest first."""
        standing = [line for line in board.late if now >= refreshes_at(line, soonest_s)]
        return nsmallest(count, standing, key=_since)

    def _look_again(self, board: ModelQueue, now: float, seconds: Sequence[float]) -> float:
        """When something changes for those that wait, if nothing arrives."""
        at = board.contended_until
        affordable = self._guard.affordable_at(board, now, seconds)
        for line in board.late:
            at = min(at, refreshes_at(line, seconds[1]))
            at = min(at, max(affordable, line.since + self._guard.after_s))
        return max(at, now)


def batch_size_without_harm(board: ModelQueue, seconds: Sequence[float]) -> int:
    """Size of a batch that leaves time for whoever comes next."""
    window = min(board.windows, default=math.inf)
    return largest_in_time(window - seconds[1], seconds)


def refreshes_at(line: ClientQueue, soonest_s: float) -> float:
    """Until when a late line may yet be replaced by a newer observation that can be in time."""
    head = line.head
    assert head is not None
    if not head.supersede or line.due - head.received_at < soonest_s:
        return -math.inf
    return head.received_at + _REFRESH * head.time_until_next


def _worth_then_age(candidate: Candidate) -> tuple[float, float]:
    return candidate.worth, -candidate.item.since
