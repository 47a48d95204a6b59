"""Serves the client next that was served longest ago."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..clock import Clock
from ..request import InferenceRequest
from ..tracking.latency import LatencyModel
from .base import register_scheduler
from .batching import Allowed, BatchScheduler
from .ranking import Ranking

if TYPE_CHECKING:
    from ..config.schema import SchedulingConfig

_REMEMBERED = 1000  # turns of clients that wait for nothing are forgotten above this


class _Rotation:
    """The clients that wait for one model, who was served longest ago first."""

    def __init__(self) -> None:
        self.order: Ranking[str] = Ranking()
        self.waiting: dict[str, int] = {}  # client -> its requests here
        self._turns: OrderedDict[str, int] = OrderedDict()  # client -> its newest, oldest first
        self._turn = 0

    def enter(self, client: str) -> None:
        count = self.waiting.get(client, 0)
        self.waiting[client] = count + 1
        if not count:
            self.order.add(client, self._turns.get(client, -1))

    def leave(self, client: str) -> None:
        count = self.waiting[client] - 1
        if count:
            self.waiting[client] = count
        else:
            del self.waiting[client]
            self.order.discard(client)

    def served(self, client: str) -> None:
        self._turn += 1
        self._turns[client] = self._turn
        self._turns.move_to_end(client)
        if client in self.order:
            self.order.add(client, self._turn)
        while len(self._turns) > _REMEMBERED + len(self.waiting):
            self._turns.popitem(last=False)


@register_scheduler("round_robin")
class RoundRobin(BatchScheduler):
    """One request of each client before a second of any.

    Nobody starves: of c clients that wait for a model, each is served within the next c requests,
    so within c / b + 1 batches of b. O(log c) comparisons to submit, O(b log c) to form a batch.
    """

    def __init__(self, config: SchedulingConfig, clock: Clock | None = None) -> None:
        self._rotations: defaultdict[str, _Rotation] = defaultdict(_Rotation)
        super().__init__(config, clock)

    def entered(self, request: InferenceRequest) -> None:
        self._rotations[request.model_id].enter(request.client_id)

    def left(self, request: InferenceRequest) -> None:
        self._rotations[request.model_id].leave(request.client_id)

    def form(
        self,
        model_id: str,
        limit: int,
        now: float,
        latency: LatencyModel,
        allowed: Allowed | None = None,
    ) -> list[InferenceRequest]:
        rotation = self._rotations[model_id]
        batch: list[InferenceRequest] = []
        if allowed is None:
            clients = rotation.order.first(limit)
        else:
            clients = rotation.order.first(limit, {each.client_id for each in allowed})
        own = {client: self._own(client, model_id, allowed) for client in clients}
        while clients and len(batch) < limit:
            again = []
            for client in clients[: limit - len(batch)]:
                request = next(own[client], None)
                if request is not None:
                    batch.append(request)
                    again.append(client)
                    rotation.served(client)
            clients = again
        return batch

    def _own(
        self, client: str, model_id: str, allowed: Allowed | None
    ) -> Iterator[InferenceRequest]:
        own = self.pending.of_client(client, model_id)
        return (request for request in own if allowed is None or request in allowed)
