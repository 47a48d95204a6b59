"""The published release's scheduler, driven in simulated time; nothing of it is changed.

Each line on stdin is one turn of its server's dispatch loop: [now, arrivals, how many to take]. A
-1 as the last number begins a new run. The answer names the requests it would dispatch.
"""

from __future__ import annotations

import json
import sys
import time

now = 0.0
time.monotonic = lambda: now  # before the package is imported: it reads no other clock

from inferential.config import InferentialConfig  # noqa: E402
from inferential.scheduler import InferenceRequest, create_scheduler  # noqa: E402
from inferential.tracking.cadence import CadenceTracker  # noqa: E402

TICK_S = 0.1  # how often its server lets old requests expire


class Served:
    """What surrounds the scheduler in its server, as far as it decides anything."""

    def __init__(self) -> None:
        config = InferentialConfig()
        tracking = config.response_tracking
        self.scheduler = create_scheduler(config.scheduling)
        self.cadence = CadenceTracker(tracking.cadence_alpha, tracking.overdue_multiplier)
        self.budget_ms = config.clients.defaults.latency_budget_ms
        self.numbers: dict[int, int] = {}  # id() of a request -> number the simulation gave it
        self.kept: list[InferenceRequest] = []  # so that no id() is given twice
        self.next_tick = TICK_S

    def arrive(
        self, number: int, at: float, client: str, urgency: float, steps: int, priority: int
    ) -> None:
        global now
        now = at
        self.tick()
        self.cadence.on_request(client)
        empty = {"identity": b"", "envelope": b"", "payload": b"", "model_id": "policy"}
        claimed = {"urgency": urgency, "steps_remaining": steps, "priority": priority}
        expected = {"time_until_next": self.cadence.time_until_next(client)}
        expected |= {"latency_budget_ms": self.budget_ms}
        request = InferenceRequest(
            client_id=client, received_at=now, **empty, **claimed, **expected
        )
        self.numbers[id(request)] = number
        self.kept.append(request)
        self.scheduler.submit(request)

    def tick(self) -> None:
        while self.next_tick <= now:
            self.scheduler.tick()
            self.next_tick += TICK_S

    def take(self, most: int) -> list[int]:
        batch: list[InferenceRequest] = []
        while len(batch) < most and (more := self.scheduler.next_batch()):
            batch += more
        return [self.numbers[id(request)] for request in batch]


def main() -> None:
    global now
    served = Served()
    for line in sys.stdin:
        at, arrivals, most = json.loads(line)
        if most < 0:
            now = 0.0
            served = Served()
        for arrival in arrivals:
            served.arrive(*arrival)
        now = at
        served.tick()
        print(json.dumps(served.take(most)), flush=True)


if __name__ == "__main__":
    main()
