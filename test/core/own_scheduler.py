"""A scheduler as users of the published package wrote them."""

from __future__ import annotations

from typing import Any

from inferential_core.request import InferenceRequest
from inferential_core.scheduler.base import Scheduler


class OwnScheduler(Scheduler):
    """First come first served, in batches of eight, whatever the model: the published page's."""

    def __init__(self, config: Any = None) -> None:
        self.queue: list[InferenceRequest] = []

    def submit(self, request: InferenceRequest) -> None:
        self.queue.append(request)

    def next_batch(self) -> Any:
        batch, self.queue = self.queue[:8], self.queue[8:]
        return batch

    def tick(self) -> None:
        pass

    def status(self) -> dict[str, Any]:
        return {"queue_len": len(self.queue)}

    def queue_len(self) -> int:
        return len(self.queue)
