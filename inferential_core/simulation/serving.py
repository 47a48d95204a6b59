"""The server's own classes in simulated time: admission, tracking, scheduler, learned latency.

No socket, no thread, no clock but the one that the simulation moves. Whatever is registered as a
scheduler is driven in the same way, the baselines too.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from ..config.schema import InferentialConfig
from ..log.throttled import ThrottledLog
from ..metrics.recorder import Recorder
from ..metrics.store import MetricsStore
from ..pipeline.admission import Admission
from ..pipeline.outcome import Outcomes
from ..request import InferenceRequest
from ..scheduler.base import scheduler_class
from ..scheduler.batching import BatchScheduler
from ..scheduler.deadline_aware import DeadlineAware
from ..security.authorization import Authorization
from ..status import Status
from ..tracking.clients import ClientRegistry
from ..tracking.models import ModelRecord
from ..transport.memory import MemoryTransport
from ..wire import inferential_pb2 as pb
from .robots import Observation
from .simulation import Server
from .workload import Workload

MODEL = "policy"


class SimulatedClock:
    """Monotonic time that the simulation sets."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        """Seconds since the simulation began."""
        return self.time

    def wall_ns(self) -> int:
        """The same in nanoseconds."""
        return int(self.time * 1e9)


def scheduling_of(workload: Workload, strategy: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The section of the configuration."""
    return {"strategy": strategy, "max_batch_size": workload.max_batch, **options}


class OurServer(Server):
    """A scheduler of this package with what surrounds it in the server.

    supersedes: whether a newer observation replaces an older one of its robot that still waits.
    """

    def __init__(
        self, workload: Workload, strategy: str, options: Mapping[str, Any], supersedes: bool
    ) -> None:
        self.config = InferentialConfig.model_validate(
            {"scheduling": scheduling_of(workload, strategy, options)}
        )
        self.clock = SimulatedClock()
        cls = scheduler_class(strategy)
        assert issubclass(cls, BatchScheduler)
        self.scheduler = cls(self.config.scheduling, self.clock)
        tracking = self.config.response_tracking
        self.clients = ClientRegistry(tracking.cadence_alpha, tracking.disconnect_timeout_s)
        self.model = ModelRecord(MODEL, workload.max_batch, lanes=1)
        self.model.latency.set_batch_sizes(workload.batch_sizes)
        recorder = Recorder(MetricsStore(clock=self.clock), enabled=False)
        throttled = ThrottledLog(logging.getLogger(__name__))
        outcomes = Outcomes(MemoryTransport(), self.clients, self.clock, recorder, throttled)
        about = (self.config, self.clients, {MODEL: self.model}, outcomes)
        self.admission = Admission(*about, recorder, throttled, Authorization())
        self.admission.places.scheduler = self.scheduler
        self.longest_wait_s = 0.0
        self._supersedes = supersedes
        self._asked: dict[InferenceRequest, Observation] = {}
        self._ended: list[Observation] = []
        self._in_service: list[InferenceRequest] = []

    def arrive(self, observation: Observation, now: float) -> None:
        self.clock.time = now
        robot = observation.robot
        message = message_of(observation)
        message.supersede &= self._supersedes
        identity = robot.name.encode()
        frames = [b"", message.SerializeToString()]
        request = self.admission.admit(identity, frames, "", self.scheduler.pending, now)
        if request is None:  # rejected
            self._ended.append(observation)
        else:
            self._asked[request] = observation
            self.scheduler.submit(request)

    def next_batch(self, now: float) -> list[Observation]:
        self.clock.time = now
        if not self.scheduler.pending.count(MODEL):
            return []
        limit = self.model.most_at_once(self.scheduler.max_batch_size)
        requests = self.scheduler.pick(MODEL, limit, now, self.model.latency)
        if requests:
            self.model.begin(len(requests))
        for request in requests:
            request.dispatched_at = now
            self._waited(request, now)
        self._in_service = requests
        return [self._asked[request] for request in requests]

    def done(self, batch: list[Observation], seconds: float, now: float) -> list[int]:
        self.clock.time = now
        self.model.end(len(batch), seconds, failed=0)
        hints = []
        for observation, request in zip(batch, self._in_service):
            horizon = observation.robot.kind.horizon
            hints.append(self.scheduler.answered(request, now, horizon))
            self._end(request, Status.OK)
        return hints

    def ended(self) -> list[Observation]:
        for request, status, _ in self.scheduler.collect_removed():
            if status is not Status.SUPERSEDED:  # whose successor waits on
                self._waited(request, self.clock.time)
            self._end(request, status)
        ended, self._ended = self._ended, []
        return ended

    def wake_at(self, now: float) -> float:
        if not self.scheduler.pending.count(MODEL):
            return math.inf
        return min(self.scheduler.hold_until(MODEL), self.scheduler.pending.next_expiry())

    def reason(self) -> str:
        """Why the scheduler chose its newest batch, or none, as it says."""
        return self.scheduler.reason(MODEL)

    def wait_bound_s(self, clients: int) -> float:
        if not isinstance(self.scheduler, DeadlineAware):
            return math.nan
        return self.scheduler.longest_wait_s(MODEL, clients, self.model.latency)

    def _waited(self, request: InferenceRequest, now: float) -> None:
        if not self._asked[request].robot.kind.rogue:
            self.longest_wait_s = max(self.longest_wait_s, now - request.waiting_since)

    def _end(self, request: InferenceRequest, status: Status) -> None:
        client = self.clients.by_id[request.client_id]
        client.open -= 1
        client.open_bytes -= request.size
        observation = self._asked.pop(request)
        if status is not Status.OK:
            self._ended.append(observation)


def message_of(observation: Observation) -> pb.Observation:
    """What the robot sends, without the values."""
    kind = observation.robot.kind
    return pb.Observation(
        client=pb.Client(id=observation.robot.name),
        model_id=MODEL,
        urgency=1.0 if kind.rogue else 0.0,
        steps_remaining=observation.steps_remaining,
        priority=kind.tier,
        request_id=1,
        control_period_ms=1000.0 * kind.period_s,
        supersede=observation.supersede,
        client_send_ns=int(observation.sent_s * 1e9),
        clock_offset_known=True,
    )
