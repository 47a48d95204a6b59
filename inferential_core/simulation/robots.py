"""Robots without sockets or clocks: when they ask, and what an answer does to them.

The same robots live in the simulation and, at small scale, on real sockets. Whoever runs them
calls `wake` when `wake_at` has come, carries what it returns to the server, and calls `receive`
when the answer is back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from .workload import Kind, Workload

REACTION_S = 0.001  # a closed-loop robot notices that late that it has to ask, or is dry
PATIENCE_S = 5.5  # without any answer a robot asks again: a little more than the TTL of a queue


@dataclass(eq=False)
class Observation:
    """One message of a robot, and what became of it. Times are seconds of the run."""

    robot: Robot
    sent_s: float
    dry_s: float  # when the robot runs out of actions without an answer
    steps_remaining: int
    supersede: bool
    up_s: float  # time on the network to the server
    down_s: float  # and back
    reference_s: float = 0.0  # what the actions of the answer are counted from
    answered_s: float = math.nan  # when the answer was back, if there was one
    on_time: bool = False

    @property
    def released_s(self) -> float:
        """When it is at the server."""
        return self.sent_s + self.up_s

    @property
    def due_s(self) -> float:
        """When its answer must leave the server."""
        return self.dry_s - self.down_s


class Robot:
    """One robot (or client that claims to be one).

    wake_at: when to call `wake`; inf: not before it received something.
    """

    wake_at: float

    def __init__(self, index: int, kind: Kind, workload: Workload, random: Random) -> None:
        self.index = index
        self.name = f"robot-{index}"
        self.kind = kind
        self.random = random
        self.asked: list[Observation] = []
        self._workload = workload

    def wake(self, now: float) -> Observation:
        """What it sends now."""
        raise NotImplementedError

    def receive(self, observation: Observation, answered: bool, hint: int, now: float) -> None:
        """The end of an observation: an answer, or the news that there will be none.

        hint: steps after which the server would like to be asked again, 0 without one.
        """
        observation.on_time = answered and now <= observation.dry_s
        if answered:
            observation.answered_s = now

    def finish(self, now: float) -> None:
        """The run is over."""

    def _observe(self, now: float, left_s: float, supersede: bool = False) -> Observation:
        net, jitter = self._workload.net_s, self._workload.net_jitter_s
        up_s, down_s = (net + jitter * self.random.uniform(-1, 1) for _ in range(2))
        steps = int(left_s / self.kind.period_s + 1e-6)
        observation = Observation(self, now, now + left_s, steps, supersede, up_s, down_s)
        self.asked.append(observation)
        return observation


class OpenRobot(Robot):
    """Asks as a robot would that is always answered in time, whatever happens.

    It asks the moment its threshold is reached: what it tells of its deadline is exact, up to
    whole steps, as the bound assumes.
    """

    def __init__(
        self, index: int, kind: Kind, workload: Workload, random: Random, pace: Random
    ) -> None:
        super().__init__(index, kind, workload, random)
        self._pace = pace  # the same for those that ask in step
        self._interval_s = kind.period_s if kind.rogue else kind.interval_s
        self._left_s = 0.0 if kind.rogue else kind.window_s
        self.wake_at = pace.uniform(0.0, self._interval_s)

    def wake(self, now: float) -> Observation:
        jitter = self._workload.pace_jitter
        self.wake_at += self._interval_s * (1 + jitter * self._pace.uniform(-1, 1))
        return self._observe(now, self._left_s, supersede=not self.kind.rogue)


@dataclass(frozen=True)
class Habits:
    """How a closed-loop robot behaves."""

    refreshes: bool = False  # dry, it sends a fresh observation that supersedes the one before
    obeys_hints: bool = False
    pinned: bool = False  # to times: a plan runs on while the robot stands still
    sequential: bool = False  # a chunk begins where the one before ends, whatever it was made of


PLAIN = Habits()
HINTED = Habits(refreshes=True, obeys_hints=True)
SEQUENTIAL = Habits(sequential=True)
PINNED = Habits(refreshes=True, obeys_hints=True, pinned=True)


class Executed(NamedTuple):
    """Actions of one chunk, executed in a row."""

    from_s: float
    to_s: float
    observed_s: float  # when the observation was made that they answer


@dataclass
class Motion:
    """What a robot did."""

    executed: list[Executed] = field(default_factory=list)
    stalls: list[tuple[float, float]] = field(default_factory=list)


class ClosedRobot(Robot):
    """Executes chunks, asks when the threshold is reached, stands still when it is dry.

    It acts a moment late, so that of the steps that are left, told in whole ones, the server knows
    one too few. A chunk holds the actions that follow its observation. Of a plain robot the steps
    it has made since count: standing still it loses none. Of a `pinned` one, the time that has
    passed.
    """

    def __init__(
        self,
        index: int,
        kind: Kind,
        workload: Workload,
        random: Random,
        habits: Habits,
        start: float,
    ) -> None:
        super().__init__(index, kind, workload, random)
        self.habits = habits
        self.motion = Motion()
        self._chunk_s = kind.horizon / kind.rate_hz
        self._dry_at = start  # when the actions at hand run out; in the past: dry since then
        self._ask_at = start
        self._since = start  # when it began to execute the chunk at hand
        self._observed_s = start
        self._moved_s = 0.0  # time in motion up to `_since`
        self._reference_s = -math.inf  # of the newest observation answered
        self._open: Observation | None = None

    @property
    def wake_at(self) -> float:  # type: ignore[override]
        """When the robot acts next, in seconds of the simulation, if no answer comes before."""
        if self._open is None:
            return self._ask_at
        refreshes = self.habits.refreshes and self._open.sent_s < self._dry_at
        refresh_at = self._dry_at + REACTION_S if refreshes else math.inf
        return min(self._open.sent_s + PATIENCE_S, refresh_at)

    def wake(self, now: float) -> Observation:
        left_s = max(0.0, self._dry_at - now)
        self._open = self._observe(now, left_s, supersede=self.habits.refreshes)
        self._open.reference_s = now if self.habits.pinned else self._position(now)
        return self._open

    def _position(self, now: float) -> float:
        """Time in motion so far."""
        return self._moved_s + max(0.0, min(now, self._dry_at) - self._since)

    def receive(self, observation: Observation, answered: bool, hint: int, now: float) -> None:
        super().receive(observation, answered, hint, now)
        if observation is self._open:
            self._open = None
        if answered and observation.reference_s > self._reference_s:
            self._execute(observation, hint, now)
            if self.habits.refreshes:  # what it refreshed meanwhile is superseded when it asks
                self._open = None
        elif self._open is None:
            self._ask_at = max(now, self._ask_at)

    def _execute(self, observation: Observation, hint: int, now: float) -> None:
        position = self._position(now)
        passed_s = (now if self.habits.pinned else position) - observation.reference_s
        if self.habits.sequential:
            passed_s = -max(0.0, self._dry_at - now)
        self._reference_s = observation.reference_s
        if passed_s >= self._chunk_s:  # all of it lies in the past
            self._ask_at = now
            return
        self._close(now)
        self._moved_s, self._since = position, now
        self._observed_s = observation.sent_s
        self._dry_at = now + self._chunk_s - passed_s
        left_s = self.kind.window_s
        if hint and self.habits.obeys_hints:
            left_s = self._chunk_s - hint * self.kind.period_s
        self._ask_at = max(now, self._dry_at - left_s + REACTION_S)

    def _close(self, now: float) -> None:
        """Note what was executed since the last chunk came, and whether it stood still."""
        end = min(now, self._dry_at)
        if end > self._since:
            self.motion.executed.append(Executed(self._since, end, self._observed_s))
        if now > self._dry_at:
            self.motion.stalls.append((self._dry_at, now))

    def finish(self, now: float) -> None:
        """The run is over."""
        self._close(now)
        self._since = now
