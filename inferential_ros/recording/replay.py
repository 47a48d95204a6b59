"""A recording to a server, by the very code that runs on a robot: the bridge's bridge.

What a bridge gets from ROS comes from the recording here: messages at the times at which they
were recorded, and a clock that follows them, faster or slower where asked for. Nothing is
published; what would be is compared with the commands in the recording.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from inferential_ros.bridge.bridge_core import BridgeCore
from inferential_ros.bridge.inputs import Inputs
from inferential_ros.bridge.statistics import Statistics
from inferential_ros.contract.schema import Contract, Output
from inferential_ros.convert.registry import InputError
from inferential_ros.execution.executor import Tick
from inferential_ros.execution.plan import Plan
from inferential_ros.keys import NO_KEYS, KeyFiles
from inferential_ros.recording.bag import Bag, BagError, Recorded
from inferential_ros.recording.clocks import PacedClock, SteppedClock
from inferential_ros.recording.commands import Difference, named_values
from inferential_ros.recording.matching import Names, inputs_of
from inferential_ros.recording.report import OUTCOMES, Report

POLL_S = 0.0005


@dataclass(frozen=True)
class Options:
    """How to replay."""

    server: str
    speed: float = 1.0  # 0: in lockstep, time stands still until an observation is answered
    namespace: str = ""
    remap: Mapping[str, str] = field(default_factory=dict)  # contract's topic -> recorded topic
    commands: str = ""  # recorded topic to compare with, where it is not an output's own
    client_id: str = "replay"
    wait_s: float = 5.0  # for the server
    texts: Mapping[str, str] = field(default_factory=dict)  # observation key -> its text
    keys: KeyFiles = NO_KEYS


class CountedInputs(Inputs):
    """Inputs that know how many observations were begun, and how many of them came to nothing."""

    begun = 0
    refused = 0

    def take(self, now_ns: int) -> Any:
        self.begun += 1
        return super().take(now_ns)

    def assemble(self, samples: Any, now_ns: int) -> Any:
        try:
            return super().assemble(samples, now_ns)
        except InputError:
            self.refused += 1
            raise


class Replay:
    """One run through a recording."""

    def __init__(self, contract: Contract, bag: Bag, options: Options) -> None:
        self._contract = contract
        self._bag = bag
        self._options = options
        names = Names(bag.types, options.namespace, options.remap)
        self._inputs = inputs_of(contract, bag.types, names)
        self._compared = self._command_topics(names)
        self._difference = Difference()
        self._tick: Tick | None = None
        self._clock = (
            PacedClock(bag.start_ns, options.speed)
            if options.speed
            else SteppedClock(bag.start_ns)
        )
        self._changed = threading.Event()
        self._late_s = 0.0
        self._waited_s: list[float] = []  # in lockstep: from sample to answer
        self._bridge = BridgeCore(contract, options.server, options.client_id, self, options.keys)
        self._bridge.statistics.latencies_s = deque()  # all of them
        self._counted = CountedInputs(contract)
        self._bridge.inputs = self._counted
        for name, text in options.texts.items():
            self._bridge.set_text(name, text)

    def run(self) -> Report:
        """Replay it all; BagError if there is no server."""
        bridge = self._bridge
        bridge.start()
        try:
            self._wait_for_server()
            began_s = time.monotonic()
            self._clock.begin()
            sent = self._feed()
            self._wait_for_answers()
            with bridge.lock:
                reference = self._counted.reference
                return Report.of(
                    bridge.statistics,
                    self._difference,
                    speed=self._options.speed,
                    messages=sent,
                    wall_s=time.monotonic() - began_s,
                    late_s=self._late_s,
                    latencies_s=self._latencies_s(),
                    budget_ms=self._contract.model.latency_budget_ms,
                    reference=reference.key.name,
                    samples=reference.received,
                )
        finally:
            bridge.stop()

    # --- the RobotIo of the bridge ---

    def now_ns(self) -> int:
        """The time in the recording."""
        return self._clock.now_ns()

    def steady_s(self) -> float:
        """The time of this machine."""
        return time.monotonic()

    def publish_actions(self, tick: Tick) -> None:
        """Keep it, to be compared with the recorded commands."""
        self._tick = tick

    def publish_chunk(self, plan: Plan) -> None:
        """Nobody listens."""

    def publish_pending_chunk(self, plan_ahead: Callable[[], Plan | None]) -> None:
        """Nobody listens."""

    def publish_executed_chunk(self, plan: Plan) -> None:
        """Nobody listens."""

    def publish_state(self) -> None:
        """Look again whether the server is there."""
        self._changed.set()

    # --- inside ---

    def _command_topics(self, names: Names) -> dict[str, list[Output]]:
        """Recorded topic -> the outputs that are compared with what it says."""
        found: dict[str, list[Output]] = {}
        for output in self._contract.action.outputs:
            topic = self._options.commands or names.recorded(output.topic, output.type)
            if topic and topic not in self._bag.types:
                raise BagError(f"--commands: {topic!r} is not in the recording")
            if topic:
                found.setdefault(topic, []).append(output)
        return found

    def _wait_for_server(self) -> None:
        until_s = time.monotonic() + self._options.wait_s
        while not self._bridge.link.connected:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                why = f": {self._bridge.link.refusal}" if self._bridge.link.refusal else ""
                raise BagError(f"no server at {self._options.server}{why}")
            self._changed.wait(left_s)
            self._changed.clear()

    def _feed(self) -> int:
        """Messages and control ticks in the order of their times; how many messages."""
        period_ns = round(1e9 / self._contract.action.control_rate_hz)
        due_ns = self._bag.start_ns
        count = 0
        for recorded in self._bag.messages({*self._inputs, *self._compared}):
            while due_ns <= recorded.time_ns:
                due_ns = self._control(due_ns, period_ns)
            self._clock.sleep_until(recorded.time_ns)
            self._note_lateness(recorded.time_ns)
            for index in self._inputs.get(recorded.topic, ()):
                self._store(index, recorded.message)
                count += 1
            for output in self._compared.get(recorded.topic, ()):
                self._compare(recorded, output)
        return count

    def _control(self, due_ns: int, period_ns: int) -> int:
        """One control tick; when the next one is due. Ticks missed are not made up for."""
        self._clock.sleep_until(due_ns)
        self._bridge.tick()
        now_ns = self._clock.now_ns()
        return due_ns + (max(0, now_ns - due_ns) // period_ns + 1) * period_ns

    def _compare(self, recorded: Recorded, output: Output) -> None:
        with self._bridge.lock:
            tick = self._tick
        index = self._contract.action.outputs.index(output)
        values = tick.values[index] if tick is not None else None
        published = None if values is None else named_values(output.encode(values), output)
        self._difference.add(named_values(recorded.message, output), published)

    def _store(self, index: int, message: Any) -> None:
        begun, began_s = self._counted.begun, time.monotonic()
        self._bridge.store(index, message)
        if not self._options.speed:
            self._wait_for_answers()
            if self._counted.begun > begun:
                self._waited_s.append(time.monotonic() - began_s)

    def _wait_for_answers(self) -> None:
        """Until every observation has ended, by an answer or by its timeout."""
        until_s = time.monotonic() + 2.0 * self._contract.model.answer_timeout_s
        bridge = self._bridge
        while time.monotonic() < until_s:
            with bridge.lock:
                ends = ended(bridge.statistics) + self._counted.refused
                if ends >= self._counted.begun and not bridge.observation_due:
                    return
            time.sleep(POLL_S)

    def _note_lateness(self, time_ns: int) -> None:
        if self._options.speed:
            late_s = (self._clock.now_ns() - time_ns) / 1e9 / self._options.speed
            self._late_s = max(self._late_s, late_s)

    def _latencies_s(self) -> list[float]:
        if not self._options.speed:
            return self._waited_s
        return [item / self._options.speed for item in self._bridge.statistics.latencies_s]


def ended(figures: Statistics) -> int:
    """How many observations have ended, in whatever way."""
    return sum(getattr(figures, name) for name in OUTCOMES)
