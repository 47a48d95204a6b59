"""Whose deadlines can still be met decides who is next (the default strategy)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from heapq import nlargest
from operator import attrgetter
from typing import TYPE_CHECKING

from ..clock import Clock
from ..request import InferenceRequest
from ..tracking.latency import LatencyModel
from .base import policy_named, register_scheduler
from .batching import Allowed, BatchScheduler
from .client_queue import ClientQueue
from .fair_share import answered, record_service
from .headroom import headroom
from .model_queue import ModelQueue
from .same_client_fill import fill_from_same_clients
from .scoring import Scoring
from .selection import CALM_S, Selection
from .starvation_guard import StarvationGuard
from .timing import Timing, batch_seconds
from .utility import Utility

if TYPE_CHECKING:
    from ..config.schema import SchedulingConfig

_since = attrgetter("since")
_score = attrgetter("head.score")


@register_scheduler("deadline_aware")
class DeadlineAware(BatchScheduler):
    """Plans with how long the model takes, L(b), and when each robot runs dry.

    Whenever a model is free, those whose deadline is before now + L(1) are late: they wait aside.

    1. If all others can be in time, earliest deadline first: the largest batch that is done by
       the first deadline; spare places go to late ones while that costs nobody its deadline.
    2. Otherwise, in mode `protect`: the batch that, with its successor, earns the most worth per
       second of the model's time (`planning.densest`, `Utility`), among those who can still be in
       time and robots that stand still. Late ones whose robot is about to send a newer
       observation wait for that one. In mode `fair`: those who have waited longest.
    3. Nobody waits for ever (`StarvationGuard`), and who has had more than its share goes last
       (`record_service`).

    A `policy` replaces all that by its own order: the highest scores first. A cadence_weight of 0
    switches deadlines off: the greatest worth first.

    The observations of one client for one model are served in the order in which it made them.

    With n clients waiting and batches up to B: O(log n) comparisons to submit; a batch costs
    O(log n) where one waits, O(n / B) where all can be in time, and O(n + B^2) where not, for
    which at most 128 lines are compared. With a policy, n calls of it.
    """

    def __init__(self, config: SchedulingConfig, clock: Clock | None = None) -> None:
        own = config.deadline_aware
        self._boards: defaultdict[str, ModelQueue] = defaultdict(ModelQueue)
        self._worth = Utility(own)
        self._guard = StarvationGuard(own.starvation_guard_ms / 1000.0, own.guard_share)
        self._selection = Selection(self._worth, self._guard)
        self._select = self._selection.protecting
        if own.cadence_weight == 0:
            self._select = self._selection.by_worth
        elif own.mode == "fair":
            self._select = self._selection.fairly
        name = config.policy
        self._scoring = Scoring(name, policy_named(name)) if name else None
        super().__init__(config, clock)
        self.may_bypass_queue = self._trusted and self._scoring is None

    def serve(self, wake: Callable[[], None]) -> None:
        if self._scoring is not None:
            self._scoring.isolate()

    def close(self) -> None:
        if self._scoring is not None:
            self._scoring.close()

    # --- what waits ---

    def entered(self, request: InferenceRequest) -> None:
        self._boards[request.model_id].entered(request, self.pending, self._worth)

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
        seconds = board.timing.refresh(latency, limit, self.lanes.get(model_id, 1))
        waiting = self.pending.count(model_id)
        if board.arrived:
            if (
                board.timing.negligible_latency
                and len(board.arrived) == waiting <= limit
                and allowed is None
                and self._scoring is None
            ):
                return board.dispatch_all_directly(now)
            board.place_arrived(self.pending, self._worth)
        if waiting == 1 and allowed is None and self._scoring is None:
            # nothing to decide: the usual case of an idle model
            line = board.unrivalled(now)
            if line is not None:
                return self._serve([line], now)
        self._guard.earn(board, now, seconds)
        if board.review(now, now + seconds[1]):
            board.contended_until = now + CALM_S
        if allowed is None:
            lines = self._choose(board, now, seconds)
            return self._serve(lines, now) + fill_from_same_clients(
                board, self.pending, model_id, lines, now
            )
        few = board.only(allowed)
        lines = self._choose(few, now, seconds)
        board.remember(few)
        return self._serve(lines, now)

    def bypass(
        self, request: InferenceRequest, limit: int, now: float, latency: LatencyModel
    ) -> bool:
        board = self._boards[request.model_id]
        timing = board.timing
        if not timing.negligible_latency or limit < 1:
            return False
        timing.refresh(latency, limit, self.lanes.get(request.model_id, 1))
        if timing.negligible_latency:
            board.dispatch_directly(request, now)
        return timing.negligible_latency

    def timing(self, model_id: str) -> Timing:
        """The plan that the newest batch of a model was formed with."""
        return self._boards[model_id].timing

    def _choose(
        self, board: ModelQueue, now: float, seconds: Sequence[float]
    ) -> list[ClientQueue]:
        if self._scoring is not None:
            lines = self._by_policy(board, self._scoring, now, len(seconds) - 1)
            if lines is not None:
                return lines
        return self._select(board, now, seconds)

    def _by_policy(
        self, board: ModelQueue, scoring: Scoring, now: float, limit: int
    ) -> list[ClientQueue] | None:
        """The highest scores first, equal ones oldest first; None if there are no scores."""
        lines = sorted((*board.due, *board.late, *board.charged), key=_since)
        heads = [line.head for line in lines if line.head is not None]
        scores = scoring.scores(heads)
        if scores is None:
            return None
        for line, head, score in zip(lines, heads, scores):
            if score is None:
                self._selection.candidate(line, now, line.due - now)
            else:
                head.score = score
        return nlargest(limit, lines, key=_score)

    def hold_until(self, model_id: str) -> float:
        board = self._boards.get(model_id)
        return math.inf if board is None else board.hold_until

    def _serve(self, lines: list[ClientQueue], now: float) -> list[InferenceRequest]:
        batch: list[InferenceRequest] = []
        for line in lines:
            head = line.head
            assert head is not None
            batch.append(head)
            line.served_at = now
            record_service(line, head)
        return batch

    # --- what comes of it ---

    def answered(self, request: InferenceRequest, now: float, horizon: int = 0) -> int:
        board = self._boards.get(request.model_id)
        line = board.lines.get(request.client_id) if board else None
        if board is None or line is None or not horizon or not request.control_period_s:
            return 0
        return answered(board, line, request, now, horizon)

    def headroom(self, model_id: str, now: float, latency: LatencyModel) -> float:
        board = self._boards.get(model_id)
        if board is None:
            return math.nan
        seconds = batch_seconds(latency, len(board.timing.seconds) - 1)
        lanes = self.lanes.get(model_id, 1)
        return headroom(board.rates(now), board.windows, seconds, lanes)

    def longest_wait_s(self, model_id: str, clients: int, latency: LatencyModel) -> float:
        """The guard's bound on the longest wait while so many clients wait for the model, s."""
        board = self._boards.get(model_id)
        limit = self.max_batch_size if board is None else len(board.timing.seconds) - 1
        return self._guard.longest_wait_s(clients, batch_seconds(latency, limit))
