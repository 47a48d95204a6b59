"""The robot of a replay: its clock is the recording's, and what it would publish is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from inferential_ros.execution.executor import Source, Tick
from inferential_ros.execution.plan import Plan
from inferential_ros.recording.clocks import Clock


class RecordedRobot:
    """The `RobotIo` of a bridge that is replayed; guarded by that bridge's lock.

    tick: the newest one, to be compared with the recorded commands; versions: of the model, as
    its plans name them; executed_s: the seconds from handing over a sample to the answer, of each
    plan that was executed; changed: set when the link to the server may have changed.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.tick: Tick | None = None
        self.versions: list[str] = []
        self.executed_s: list[float] = []
        self.changed = threading.Event()
        self._stored_s = 0.0
        self._took_s: dict[int, float] = {}  # of the newest plan, until it is executed
        self._executed_request = 0

    def sample_comes(self) -> None:
        """A sample is handed over now."""
        self._stored_s = time.monotonic()

    def now_ns(self) -> int:
        """The time of the robot."""
        return self.clock.now_ns()

    def steady_s(self) -> float:
        """The time that has passed for the robot."""
        return self.clock.steady_s()

    def publish_actions(self, tick: Tick) -> None:
        """Keep it. A plan is published at once when it comes, or at a later tick."""
        self.tick = tick
        if tick.source is Source.PLAN and tick.request_id != self._executed_request:
            self._executed_request = tick.request_id
            self.executed_s.append(self._took_s.pop(tick.request_id, self._passed_s()))

    def publish_chunk(self, plan: Plan) -> None:
        """Note how long it took and which model answered."""
        if plan.request_id != self._executed_request:
            self._took_s = {plan.request_id: self._passed_s()}
        if plan.model_version and plan.model_version not in self.versions:
            self.versions.append(plan.model_version)

    def publish_pending_chunk(self, plan_ahead: Callable[[], Plan | None]) -> None:
        """Nobody listens."""

    def publish_executed_chunk(self, plan: Plan) -> None:
        """Nobody listens."""

    def wants_executed_chunks(self) -> bool:
        """Nobody listens."""
        return False

    def publish_state(self) -> None:
        """Whether the server is there is to be looked at again."""
        self.changed.set()

    def _passed_s(self) -> float:
        return time.monotonic() - self._stored_s
