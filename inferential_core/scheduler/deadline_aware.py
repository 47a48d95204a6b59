"""Whose deadlines can still be met decides who is next (the default strategy)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from heapq import nlargest, nsmallest
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING

from ..clock import Clock
from ..request import InferenceRequest
from ..tracking.latency import LatencyModel
from .admission import headroom
from .base import policy_named, register_scheduler
from .batching import Allowed, BatchScheduler
from .hints import latest_arrival
from .lines import Board, Line
from .planning import Candidate, all_in_time, densest, largest_in_time
from .scoring import Scoring
from .worth import Worth

if TYPE_CHECKING:
    from ..config.schema import SchedulingConfig

_MARGIN = 2.0  # standard deviations of its latency that a model is given beyond the mean
_CALM_S = 1.0  # without a missed deadline, after which late ones cost nobody anything
_OUTRUN = 1.5  # times its cadence a client may be served before it is charged
_REFRESH = 1.5  # intervals without the newer observation that was expected of a late robot
_OBEYS = 0.8  # share of the steps hinted at, before which only those ask who take no hints
_TRIAGED = 128  # lines compared when not all can be in time, those with the nearest deadlines
_PLANNED = 4  # batches' worth of the best of them that are planned with

_since = attrgetter("since")
_worth = attrgetter("worth")
_score = attrgetter("head.score")


@register_scheduler("deadline_aware")
class DeadlineAware(BatchScheduler):
    """See docs/scheduling.md."""

    def __init__(self, config: SchedulingConfig, clock: Clock | None = None) -> None:
        own = config.deadline_aware
        self._boards: dict[str, Board] = {}
        self._worth = Worth(own)
        self._fair = own.mode == "fair"
        self._by_deadline = own.cadence_weight > 0
        self._guard_s = own.starvation_guard_ms / 1000.0
        self._share = own.guard_share
        name = config.policy
        self._scoring = Scoring(name, policy_named(name)) if name else None
        super().__init__(config, clock)

    def serve(self, wake: Callable[[], None]) -> None:
        if self._scoring is not None:
            self._scoring.isolate()

    def close(self) -> None:
        if self._scoring is not None:
            self._scoring.close()

    # --- what waits ---

    def entered(self, request: InferenceRequest) -> None:
        board = self._boards.get(request.model_id)
        if board is None:
            board = self._boards[request.model_id] = Board()
        board.entered(request, self.pending, self._worth)

    def left(self, request: InferenceRequest) -> None:
        self._boards[request.model_id].left(request, self.pending, self._worth)

    # --- who is next ---

    def form(
        self,
        model_id: str,
        limit: int,
        now: float,
        latency: LatencyModel,
        allowed: Allowed | None = None,
    ) -> list[InferenceRequest]:
        board = self._boards[model_id]
        seconds = self._plan_with(board, model_id, limit, latency)
        self._earn(board, now, seconds)
        if allowed is None and self._scoring is None and self.pending.count(model_id) == 1:
            lines = self._only(board, now, seconds)
            if lines:
                return self._serve(board, lines, now)
        if board.review(now, now + seconds[1]):
            board.contended_until = now + _CALM_S
        if allowed is None:
            lines = self._choose(board, limit, now, seconds)
            return self._serve(board, lines, now) + self._further(board, model_id, lines, seconds)
        few = board.only(allowed)
        lines = self._choose(few, limit, now, seconds)
        board.contended_until = few.contended_until
        board.credit_s = few.credit_s
        board.hold_until = few.hold_until
        return self._serve(board, lines, now)

    def _only(self, board: Board, now: float, seconds: Sequence[float]) -> list[Line]:
        """The one that waits, where there is nothing to decide: the usual case of an idle model."""
        entries = board.due.entries
        if entries and entries[0][0] >= now + seconds[1]:
            return [entries[0][-1]]
        return []

    def _plan_with(
        self, board: Board, model_id: str, limit: int, latency: LatencyModel
    ) -> list[float]:
        """How long batches take, as far as that is known now; nothing is computed twice."""
        known = (latency, latency.calls, limit)
        if board.planned_with != known:
            board.planned_with = known
            board.seconds = _seconds(latency, limit)
            board.pace = 1.0 / self.lanes.get(model_id, 1)
        return board.seconds

    def _choose(
        self, board: Board, limit: int, now: float, seconds: Sequence[float]
    ) -> list[Line]:
        lines = self._by_policy(board, now, limit) if self._scoring is not None else None
        if lines is None:
            if not self._by_deadline:
                lines = self._by_worth(board, now, limit)
            elif self._fair:
                lines = self._fairly(board, now, seconds)
            else:
                lines = self._protecting(board, now, seconds)
        return lines

    def hold_until(self, model_id: str) -> float:
        board = self._boards.get(model_id)
        return math.inf if board is None else board.hold_until

    def _protecting(self, board: Board, now: float, seconds: Sequence[float]) -> list[Line]:
        limit = len(seconds) - 1
        entries = board.due.entries
        overdue = self._overdue(board, now, seconds)
        if entries and not overdue and all_in_time(entries, 0, now, seconds, board.pace):
            size = largest_in_time(entries[0][0] - now, seconds[: len(entries) + 1])
            lines = board.due.first(size)
            if size < limit:
                self._fill(board, lines, now, seconds)
            return lines
        if entries:
            board.contended_until = now + _CALM_S
        candidates = [
            self._candidate(line, now, line.due - now)
            for line in islice(board.due, _TRIAGED)
            if line not in overdue
        ]
        candidates += [
            self._candidate(line, now, math.inf)
            for line in self._standing(board, now, _PLANNED * limit, seconds[1])
            if line not in overdue
        ]
        best = nlargest(_PLANNED * limit, candidates, key=_worth)
        batch = densest(best, seconds, len(overdue), board.pace)
        lines = [*overdue, *(each.item for each in batch)]
        if overdue:
            place = seconds[limit] / limit  # what another one could have had
            board.credit_s -= max(place, seconds[len(lines)] - seconds[len(batch)])
        if lines:
            return lines
        if now >= board.contended_until:
            rest = nsmallest(limit, board.late, key=_since)
            return rest[: self._harmless(board, seconds)] or list(islice(board.charged, 1))
        board.hold_until = self._look_again(board, now, seconds)
        return []

    def _fairly(self, board: Board, now: float, seconds: Sequence[float]) -> list[Line]:
        limit = len(seconds) - 1
        entries = board.due.entries
        if entries and not board.late and all_in_time(entries, 0, now, seconds, board.pace):
            size = largest_in_time(entries[0][0] - now, seconds[: len(entries) + 1])
            return board.due.first(size)
        lines = nsmallest(limit, [*board.due, *board.late], key=_since)
        lines += islice(board.charged, limit - len(lines))
        return lines

    def _by_worth(self, board: Board, now: float, limit: int) -> list[Line]:
        waiting = [self._candidate(line, now, math.inf) for line in (*board.due, *board.late)]
        lines = [each.item for each in nlargest(limit, waiting, key=_worth)]
        lines += islice(board.charged, limit - len(lines))
        return lines

    def _by_policy(self, board: Board, now: float, limit: int) -> list[Line] | None:
        """In the order of the policy's scores, whatever the deadlines are."""
        assert self._scoring is not None
        lines = [*board.due, *board.late, *board.charged]
        heads = [line.head for line in lines if line.head is not None]
        scores = self._scoring.scores(heads)
        if scores is None:
            return None
        for line, head, score in zip(lines, heads, scores):
            if score is None:
                self._candidate(line, now, line.due - now)
            else:
                head.score = score
        order = sorted(lines, key=_since)
        return nlargest(limit, order, key=_score)

    def _fill(self, board: Board, lines: list[Line], now: float, seconds: Sequence[float]) -> None:
        """Give spare places to those that are late, while nobody's deadline suffers."""
        limit = len(seconds) - 1
        spare = limit - len(lines)
        late = list(self._standing(board, now, spare, seconds[1]))
        if now >= board.contended_until:
            if len(late) < len(board.late):
                standing = set(late)
                rest = [line for line in board.late if line not in standing]
                late += nsmallest(spare - len(late), rest, key=_since)
            late += islice(board.charged, spare - len(late))
        taken = len(lines)
        entries = board.due.entries
        due = entries[0][0]
        for more in range(len(late), 0, -1):
            end = now + seconds[taken + more]
            if end <= due and all_in_time(entries, taken, end, seconds, board.pace):
                lines += late[:more]
                return

    def _standing(self, board: Board, now: float, count: int, soonest_s: float) -> Iterable[Line]:
        """Late ones no newer observation is expected of: robots that stand still. Oldest first."""
        if not board.late or count <= 0:
            return ()
        standing = [line for line in board.late if self._stands(line, now, soonest_s)]
        return nsmallest(count, standing, key=_since)

    def _stands(self, line: Line, now: float, soonest_s: float) -> bool:
        return now >= self._refreshes_at(line, soonest_s)

    def _refreshes_at(self, line: Line, soonest_s: float) -> float:
        head = line.head
        assert head is not None
        if not head.supersede or line.due - head.received_at < soonest_s:
            return -math.inf
        return head.received_at + _REFRESH * head.time_until_next

    def _candidate(self, line: Line, now: float, slack: float) -> Candidate:
        head = line.head
        assert head is not None
        age = now - (head.waiting_since if head.waiting_since > line.served_at else line.served_at)
        worth = self._worth.now(line.static, head.priority, age, slack)
        head.score = worth
        return Candidate(worth, slack, line)

    # --- nobody starves ---

    def _earn(self, board: Board, now: float, seconds: Sequence[float]) -> None:
        passed = now - board.credited_at
        if passed > 0:
            most = 2 * seconds[-1]
            earned = self._share * passed if math.isfinite(passed) else most
            board.credit_s = min(most, board.credit_s + earned)
            board.credited_at = now

    def _overdue(self, board: Board, now: float, seconds: Sequence[float]) -> list[Line]:
        """The line that has waited longest, if that is too long and the guard can pay for it."""
        if board.credit_s >= seconds[1]:
            oldest = min((*board.due, *board.late), key=_since, default=None)
            if oldest is not None and now - oldest.since >= self._guard_s:
                return [oldest]
        return []

    def _harmless(self, board: Board, seconds: Sequence[float]) -> int:
        """Size of a batch that leaves time for whoever comes next."""
        window = min(board.windows, default=math.inf)
        return largest_in_time(window - seconds[1], seconds)

    def _look_again(self, board: Board, now: float, seconds: Sequence[float]) -> float:
        at = board.contended_until
        for line in board.late:
            at = min(at, self._refreshes_at(line, seconds[1]))
            paid = now + max(0.0, seconds[1] - board.credit_s) / self._share
            at = min(at, max(paid, line.since + self._guard_s))
        for line in board.charged:
            at = min(at, line.paid_until)
        return max(at, now)

    # --- service ---

    def _serve(self, board: Board, lines: list[Line], now: float) -> list[InferenceRequest]:
        batch: list[InferenceRequest] = []
        for line in lines:
            head = line.head
            assert head is not None
            batch.append(head)
            line.served_at = now
            self._charge(line, head)
        return batch

    def _further(
        self, board: Board, model_id: str, lines: list[Line], seconds: Sequence[float]
    ) -> list[InferenceRequest]:
        """More observations of those who are in the batch, if nobody else waits."""
        room = len(seconds) - 1 - len(lines)
        if not room or len(lines) < board.waiting():
            return []
        if self.pending.count(model_id) == len(lines):
            return []
        queues = [
            (line, islice(self.pending.of_client(line.client_id, model_id), 1, None))
            for line in lines
        ]
        further: list[InferenceRequest] = []
        while queues:
            left = []
            for line, queue in queues:
                request = next(queue, None)
                if request is None:
                    continue
                left.append((line, queue))
                further.append(request)
                self._charge(line, request)
                if len(further) == room:
                    return further
            queues = left
        return further

    def _charge(self, line: Line, request: InferenceRequest) -> None:
        """An honest robot asks again when this answer is used up, not sooner."""
        interval = line.interval
        if line.horizon and request.steps_remaining is not None and request.control_period_s > 0:
            used = max(1, line.horizon - request.steps_remaining)
            interval = used * request.control_period_s
        if interval > 0:  # known
            line.paid_until = max(line.paid_until, request.received_at) + interval / _OUTRUN

    def answered(self, request: InferenceRequest, now: float, horizon: int = 0) -> int:
        board = self._boards.get(request.model_id)
        line = board.lines.get(request.client_id) if board else None
        period = request.control_period_s
        if board is None or line is None or not horizon or not period:
            return 0
        line.horizon = horizon
        away = 0.0 if math.isnan(request.sent_at) else request.received_at - request.sent_at
        observed = request.received_at - away
        runs_dry = observed + horizon * period
        board.supplied(line, runs_dry - away, now + 2 * away)
        steps = request.steps_remaining
        if not steps:  # nothing is known of when it asks by itself
            return 0
        asked_after = max(1, horizon - steps)
        if line.hinted_steps and asked_after < _OBEYS * line.hinted_steps:
            line.obeys = False
        if not line.hinted_steps or not line.obeys:
            line.natural_steps = asked_after
        natural = max(now + 2 * away, observed + away + line.natural_steps * period)
        width = board.seconds[-1]
        latest = latest_arrival(runs_dry, away, width) if line.obeys else natural
        batch = (len(board.seconds) - 1) / board.pace
        at = board.calendar.book(natural, latest, now, width, batch)
        line.hinted_steps = 0
        if at > natural:
            line.hinted_steps = min(horizon, int((at - away - observed) / period + 0.5))
        return line.hinted_steps

    def headroom(self, model_id: str, now: float, latency: LatencyModel) -> float:
        board = self._boards.get(model_id)
        if board is None:
            return math.nan
        seconds = _seconds(latency, len(board.seconds) - 1)
        lanes = self.lanes.get(model_id, 1)
        return headroom(board.rates(now), board.windows, seconds, lanes)


def _seconds(latency: LatencyModel, limit: int) -> list[float]:
    """How long batches of 0, 1, ... `limit` take, with a margin."""
    margin = _MARGIN * latency.deviation
    least = 1e-6  # s; while nothing is known of it
    return [0.0, *(max(least, latency.predict(size) + margin) for size in range(1, limit + 1))]
