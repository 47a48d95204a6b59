"""The default strategy: chooses the batch by the deadlines that can still be met."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from ..clock import Clock
from ..request import InferenceRequest
from ..status import Status
from ..tracking.latency import LatencyModel
from ..tracking.timing import batch_seconds, most_seconds
from .base import policy_named, register_scheduler
from .batching import Allowed, BatchScheduler
from .client_queue import ClientQueue
from .fair_share import Calendar, record_answer, record_service
from .fleet_state import FleetState
from .headroom import headroom, share_in_time
from .model_queue import ModelQueue
from .motion import Rule, needless
from .policy_order import ByPolicy
from .same_client_fill import fill_from_same_clients
from .scoring import NoScoring, Scoring
from .selection import CALM_S, Selection
from .starvation_guard import StarvationGuard
from .utility import Utility
from .waiting import wait_on_purpose

if TYPE_CHECKING:
    from ..config.schema import SchedulingConfig

_OVERTAKEN = "the answer to the one before it overtook it, and serves its robot nearly as long"


@register_scheduler("deadline_aware")
class DeadlineAware(BatchScheduler):
    """Plans with how long the model takes, L(b), and when each robot runs dry.

    Whenever a model is free, those whose deadline is before now + L(1) are late: they wait aside.

    1. If all others can be in time, earliest deadline first: the largest batch that is done by
       the first deadline; spare places go to late ones while that costs nobody its deadline.
    2. Otherwise, in mode `adaptive`: as `protect` while few robots run dry (`FleetState`), and the
       batch that moves robots most where many do (`motion`). In mode `protect`: the batch that,
       with its successor, earns the most worth per second of the model's time
       (`planning.densest`, `Utility`), among those who can still be in time and robots that stand
       still. Late ones whose robot is about to send a newer observation wait for that one. In
       mode `fair`: those who have waited longest.
    3. Nobody waits for ever (`StarvationGuard`), and who has had more than its share goes last
       (`record_service`).

    A `policy` replaces all that by its own order: the highest scores first. A cadence_weight of 0
    switches deadlines off: the greatest worth first.

    The observations of one client for one model are served in the order in which it made them.

    With n clients waiting and batches up to B: O(log n) comparisons to submit; a batch costs
    O(log n) where one waits, O(n / B) where all can be in time, and O(n + B^2) where not, for
    which at most 128 clients are compared. With a policy, n calls of it.
    """

    def __init__(self, config: SchedulingConfig, clock: Clock | None = None) -> None:
        own = config.deadline_aware
        adaptive = own.mode == "adaptive"
        self._queues: defaultdict[str, ModelQueue] = defaultdict(
            lambda: ModelQueue(fleet=FleetState(adaptive))
        )
        self._calendars: defaultdict[str, Calendar] = defaultdict(Calendar)
        self._utility = Utility(own)
        self._guard = StarvationGuard(own.starvation_guard_ms / 1000.0, own.guard_share)
        rule = Rule(own.strict_tiers, 1.0 + own.priority_weight)
        self._selection = Selection(self._utility, self._guard, rule)
        self._select = self._selection.adaptively if adaptive else self._selection.protecting
        self._by_deadline = own.cadence_weight > 0
        if not self._by_deadline:
            self._select = self._selection.by_worth
        elif own.mode == "fair":
            self._select = self._selection.fairly
        self._scoring = NoScoring()
        name = config.policy
        if name:
            self._scoring = scoring = Scoring(name, policy_named(name))
            self._select = ByPolicy(scoring, self._selection, self._select).choose
        super().__init__(config, clock)
        self.may_bypass_queue = self._trusted and not self._scoring.decides

    def serve(self, wake: Callable[[], None]) -> None:
        self._scoring.isolate()

    def close(self) -> None:
        self._scoring.close()

    # --- what waits ---

    def entered(self, request: InferenceRequest) -> None:
        self._queues[request.model_id].entered(request, self.pending, self._utility)

    def left(self, request: InferenceRequest) -> None:
        self._queues[request.model_id].left(request, self.pending, self._utility)

    # --- who is next ---

    def form(
        self,
        model_id: str,
        limit: int,
        now: float,
        latency: LatencyModel,
        allowed: Allowed | None = None,
    ) -> list[InferenceRequest]:
        queue = self._queues[model_id]
        lanes = self.lanes.get(model_id, 1)
        seconds = queue.timing.refresh(latency, limit, lanes)
        waiting = self.pending.count(model_id)
        if self._waits(queue, self.pending.of_model(model_id), now, allowed):
            return []
        if queue.arrived:
            if (
                queue.timing.negligible_latency
                and len(queue.arrived) == waiting <= limit
                and allowed is None
                and not self._scoring.decides
            ):
                return queue.dispatch_all_directly(now)
            queue.place_arrived(self.pending, self._utility)
        if waiting == 1 and allowed is None and not self._scoring.decides:
            # There is nothing to decide: the usual case of an idle model.
            client = queue.unrivalled(now)
            if client is not None:
                queue.reason = "nobody else waits"
                return self._serve([client], now)
        queue.fleet.count(queue.demands, seconds, lanes, now)
        self._guard.earn(queue, now, seconds)
        if queue.review(now, now + seconds[1]):
            queue.contended_until = now + CALM_S
        if allowed is None:
            clients = self._select(queue, now, seconds)
            return self._serve(clients, now) + fill_from_same_clients(
                queue, self.pending, model_id, clients, now
            )
        few = queue.only(allowed)
        clients = self._select(few, now, seconds)
        queue.remember(few)
        return self._serve(clients, now)

    def serve_lone(
        self, request: InferenceRequest, limit: int, now: float, latency: LatencyModel
    ) -> bool:
        if limit < 1:
            return False
        # As `form` would decide it, where one waits.
        queue = self._queues[request.model_id]
        seconds = queue.timing.refresh(latency, limit, self.lanes.get(request.model_id, 1))
        client = queue.client_of(request)
        if queue.timing.negligible_latency:
            client.served_at = now
            return True
        if self._waits(queue, (request,), now, None):
            return False
        if not queue.serves_lone(client, request, now, seconds[1]):
            return False
        client.served_at = now
        record_service(client, request)
        return True

    def _waits(
        self,
        queue: ModelQueue,
        waiting: Collection[InferenceRequest],
        now: float,
        allowed: Allowed | None,
    ) -> bool:
        """Whether the model had better wait for others, so that they share a batch."""
        anticipation, timing = queue.anticipation, queue.timing
        if timing.harmless or timing.pace != 1.0 or self._scoring.decides:
            anticipation.ends(now)
            return False
        wait = wait_on_purpose(queue, waiting, now, allowed, self._by_deadline)
        if wait is None:
            anticipation.ends(now)
            return False
        anticipation.begins(wait, now)
        queue.hold_until = wait.until
        queue.reason = f"waits for {wait.more} more that {wait.whom}"
        return True

    def hold_until(self, model_id: str) -> float:
        queue = self._queues.get(model_id)
        return math.inf if queue is None else queue.hold_until

    def _serve(self, clients: list[ClientQueue], now: float) -> list[InferenceRequest]:
        batch: list[InferenceRequest] = []
        for client in clients:
            head = client.head
            assert head is not None
            batch.append(head)
            client.served_at = now
            if (
                client.horizon
                and not head.supersede
                and head.received_at >= client.throttled_until
            ):
                # It sends no newer one: where its answer comes late, it stands still till then.
                queue = self._queues[head.model_id]
                queue.fleet.note(now + queue.timing.seconds[len(clients)] > head.runs_dry_at)
            record_service(client, head)
        return batch

    # --- what comes of it ---

    def answered(self, request: InferenceRequest, now: float, horizon: int = 0) -> int:
        queue = self._queues.get(request.model_id)
        client = queue.clients.get(request.client_id) if queue else None
        if queue is None or client is None:
            return 0
        if client.head is None:  # it has nothing here that waits: its next one is news
            call_s = queue.timing.seconds[1]
            queue.anticipation.answered(client.client_id, client.pause, now, call_s)
        if not horizon or not request.control_period_s:
            return 0
        calendar = self._calendars[request.model_id]
        hint = record_answer(queue, calendar, client, request, now, horizon)
        if needless(client, request):
            assert client.head is not None
            self.pending.remove(client.head, Status.SUPERSEDED, _OVERTAKEN)
        return hint

    def headroom(self, model_id: str, now: float, latency: LatencyModel) -> float:
        queue = self._queues.get(model_id)
        if queue is None:
            return math.nan
        return headroom(queue.demands(now), *self._capability(model_id, latency))

    def share_in_time(
        self, model_id: str, more: int, tier: int, now: float, latency: LatencyModel
    ) -> float:
        queue = self._queues.get(model_id)
        if queue is None:
            return math.nan
        demands = [each for each in queue.demands(now, self.holders) if each.tier <= tier]
        if latency.fixed != latency.fixed:  # NaN: no call was measured
            demands = [each._replace(rate=math.nan) for each in demands]
        return share_in_time(demands, more, *self._capability(model_id, latency))

    def _capability(self, model_id: str, latency: LatencyModel) -> tuple[list[float], int]:
        """How long batches of 0, 1, ... take at most, and how many run at once."""
        limit = len(self._queues[model_id].timing.seconds) - 1
        return most_seconds(latency, limit), self.lanes.get(model_id, 1)

    def reason(self, model_id: str) -> str:
        queue = self._queues.get(model_id)
        return "" if queue is None else queue.reason

    def explain(self, model_id: str) -> str:
        queue = self._queues.get(model_id)
        if queue is None:
            return ""
        told = []
        if queue.fleet.overloaded:
            told.append("overloaded: serves those that gain most")
        if queue.anticipation.waited:
            told.append(queue.anticipation.text())
        return ", ".join(told)

    def longest_wait_s(self, model_id: str, clients: int, latency: LatencyModel) -> float:
        """The guard's bound on the longest wait while so many clients wait for the model, s."""
        queue = self._queues.get(model_id)
        limit = self.max_batch_size if queue is None else len(queue.timing.seconds) - 1
        return self._guard.longest_wait_s(clients, batch_seconds(latency, limit))
