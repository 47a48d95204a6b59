"""Fair rotation: who was served longest ago goes first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..clock import Clock
from ..request import InferenceRequest
from ..tracking.latency import LatencyModel
from .base import register_scheduler
from .batching import BatchScheduler

if TYPE_CHECKING:
    from ..config.schema import SchedulingConfig


@register_scheduler("round_robin")
class RoundRobin(BatchScheduler):
    """One request of each client before a second of any; O(n + clients log clients) per batch.

    A client waits at most (clients waiting / batch size) batches for its turn.
    """

    def __init__(self, config: SchedulingConfig, clock: Clock | None = None) -> None:
        super().__init__(config, clock)
        self._served: dict[str, int] = {}  # client -> number of its newest turn
        self._turn = 0

    def choose(
        self, waiting: Sequence[InferenceRequest], limit: int, now: float, latency: LatencyModel
    ) -> list[InferenceRequest]:
        queues: dict[str, list[InferenceRequest]] = {}
        for request in waiting:
            queues.setdefault(request.client_id, []).append(request)
        # Turns of clients that wait for nothing are forgotten once there are many of them.
        if len(self._served) > 4 * len(queues) + 1000:
            self._served = {name: turn for name, turn in self._served.items() if name in queues}
        order = sorted(queues, key=lambda name: self._served.get(name, -1))
        batch: list[InferenceRequest] = []
        for depth in range(max(map(len, queues.values()))):
            for name in order:
                if len(batch) == limit:
                    return batch
                if depth < len(queues[name]):
                    batch.append(queues[name][depth])
                    self._turn += 1
                    self._served[name] = self._turn
        return batch
