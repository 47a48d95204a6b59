"""Replays a recording to a server, with the code that runs on a robot: the bridge.

What a bridge gets from ROS comes from the recording here: messages at the times at which they
were recorded, and a clock that follows them, faster or slower where asked for. Nothing is
published; what would be is compared with the commands in the recording.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from inferential_ros.contract.key_sources import TREE
from inferential_ros.contract.schema import Contract, Output
from inferential_ros.keys import NO_KEYS, KeyFiles
from inferential_ros.recording.bag import Bag, Recorded
from inferential_ros.recording.clocks import Clock, PacedClock, SteppedClock
from inferential_ros.recording.commands import Difference, named_values
from inferential_ros.recording.comparison import Comparison
from inferential_ros.recording.counterparts import counterpart
from inferential_ros.recording.errors import BagError
from inferential_ros.recording.matching import Names, inputs_of
from inferential_ros.recording.provenance import Provenance
from inferential_ros.recording.recorded_robot import RecordedRobot
from inferential_ros.recording.replayed_bridge import ReplayedBridge
from inferential_ros.recording.report import Report
from inferential_ros.recording.robot_time import Moment, clock_of, moments

POLL_S = 0.0005
GAP_NS = 60 * 10**9  # nothing was recorded for longer: that time is skipped

_LOOK_S = 0.25  # from one look at why no server is there to the next

Progress = Callable[[str], None]  # told how much is done, in words


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
    compare: str = ""  # with which model's answers; in lockstep only


class Replay:
    """One run through a recording."""

    def __init__(self, contract: Contract, bag: Bag, options: Options) -> None:
        self._contract = contract
        self._bag = bag
        self._options = options
        names = Names(bag.types, options.namespace, options.remap)
        self._inputs = inputs_of(contract, bag.types, names, bag.unreadable)
        self._compared = self._command_topics(names)
        self._robot_clock = clock_of(bag, self._stamped_topics())
        self._clock: Clock = PacedClock(options.speed) if options.speed else SteppedClock()
        self._robot = RecordedRobot(self._clock)
        self._difference = Difference()
        self._episode = -1
        self._due_ns = 0  # when the next control tick is due
        self._latest_ns = 0
        self._late_s = 0.0
        self._comparison = self._compared_with(options, names) if options.compare else None
        self._bridge = ReplayedBridge(
            contract,
            options.server,
            options.client_id,
            self._robot,
            options.keys,
            keeps_answers=bool(options.compare),
        )
        for name, text in options.texts.items():
            self._bridge.set_text(name, text)

    def run(self, progress: Progress = lambda told: None) -> Report:
        """Replay it all; BagError if there is no server."""
        bridge = self._bridge
        bridge.start()
        try:
            self._wait_for_server(progress)
            began_s = time.monotonic()
            sent = self._feed(progress)
            self._wait_for_answers()
            with bridge.lock:
                return Report.of(
                    bridge,
                    self._difference,
                    speed=self._options.speed,
                    messages=sent,
                    wall_s=time.monotonic() - began_s,
                    late_s=self._late_s,
                    latencies_s=self._latencies_s(),
                    budget_ms=self._contract.model.latency_budget_ms,
                    clock=self._robot_clock.name,
                    episodes=self._episode + 1,
                    recorded=Provenance.of(self._bag),
                    versions=self._robot.versions,
                    notes=self._bag.notes,
                    compared=self._comparison.result() if self._comparison else None,
                )
        finally:
            bridge.stop()
            if self._comparison:
                self._comparison.close()

    def _compared_with(self, options: Options, names: Names) -> Comparison:
        other = counterpart(
            options.compare,
            self._contract,
            self._bag,
            names,
            options.server,
            options.client_id,
            options.keys,
        )
        return Comparison(self._contract.action, other)

    def _command_topics(self, names: Names) -> dict[str, list[Output]]:
        """Recorded topic -> the outputs that are compared with what it says."""
        found: dict[str, list[Output]] = {}
        for output in self._contract.action.outputs:
            topic = self._options.commands or names.recorded(output.topic, output.type)
            if topic and topic not in self._bag.types:
                why = self._bag.unreadable.get(topic, f"{topic!r} is not in the recording")
                raise BagError(f"--commands: {why}")
            if topic:
                found.setdefault(topic, []).append(output)
        return found

    def _stamped_topics(self) -> set[str]:
        """Those whose stamps the bridge compares with the robot's clock."""
        keys = self._contract.topics
        return {
            topic
            for topic, indices in self._inputs.items()
            if any(keys[index].stamp == "header" or keys[index].align == TREE for index in indices)
            and not any(keys[index].quiet for index in indices)  # static: stamped long before
        }

    def _wait_for_server(self, progress: Progress) -> None:
        until_s = time.monotonic() + self._options.wait_s
        while not self._bridge.link.connected:
            left_s = until_s - time.monotonic()
            why = self._bridge.link.problem  # looked into while it is asked for
            if left_s <= 0:
                raise BagError(f"no server at {self._options.server}: {why}")
            progress(f"waiting for the server at {self._options.server} ({why})")
            self._robot.changed.wait(min(left_s, _LOOK_S))
            self._robot.changed.clear()

    def _feed(self, progress: Progress) -> int:
        """Messages and control ticks in the order of their times; how many messages."""
        topics = {*self._inputs, *self._compared}
        total = sum(self._bag.count(topic) for topic in topics)
        count = 0
        for done, moment in enumerate(moments(self._bag, topics, self._robot_clock)):
            self._go_to(moment)
            recorded = moment.recorded
            for index in self._inputs.get(recorded.topic, ()):
                self._store(index, recorded.message)
                count += 1
            for output in self._compared.get(recorded.topic, ()):
                self._compare(recorded, output)
            share = 100 * (done + 1) // max(total, 1)
            asked = self._bridge.statistics.observations
            progress(f"{share} % of the recording, {asked} observations")
        return count

    def _go_to(self, moment: Moment) -> None:
        """Let time pass until a message comes, with the control ticks that are due meanwhile."""
        if moment.episode != self._episode:
            self._begin_episode(moment)
        elif moment.time_ns - self._latest_ns > GAP_NS:
            self._clock.begin(moment.time_ns)
            self._due_ns = moment.time_ns
        self._latest_ns = moment.time_ns
        while self._due_ns <= moment.time_ns:
            self._control()
        self._clock.sleep_until(moment.time_ns)
        if self._options.speed:
            late_s = (self._clock.now_ns() - moment.time_ns) / 1e9 / self._options.speed
            self._late_s = max(self._late_s, late_s)

    def _begin_episode(self, moment: Moment) -> None:
        """Nothing of the one before is executed any more, and the model is told of a new epoch."""
        if self._episode >= 0:
            self._wait_for_answers()
        self._clock.begin(moment.time_ns)
        if self._episode >= 0:
            self._bridge.clock_went_back()
            self._bridge.reset()
        self._episode, self._due_ns = moment.episode, moment.time_ns

    def _control(self) -> None:
        """One control tick. Ticks missed are not made up for."""
        period_ns = round(1e9 / self._contract.action.control_rate_hz)
        self._clock.sleep_until(self._due_ns)
        self._bridge.tick()
        late_ns = max(0, self._clock.now_ns() - self._due_ns)
        self._due_ns += (late_ns // period_ns + 1) * period_ns

    def _compare(self, recorded: Recorded, output: Output) -> None:
        with self._bridge.lock:
            tick = self._robot.tick
        index = self._contract.action.outputs.index(output)
        values = tick.values[index] if tick is not None else None
        published = None if values is None else named_values(output.encode(values), output)
        self._difference.add(named_values(recorded.message, output), published)

    def _store(self, index: int, message: Any) -> None:
        self._robot.sample_comes()
        self._bridge.store(index, message)
        if not self._options.speed:
            self._wait_for_answers()

    def _wait_for_answers(self) -> None:
        """Until every observation has ended, by an answer or by its timeout."""
        until_s = time.monotonic() + 2.0 * self._contract.model.answer_timeout_s
        while not self._bridge.idle and time.monotonic() < until_s:
            time.sleep(POLL_S)
        while self._comparison and self._bridge.answers:
            self._comparison.add(*self._bridge.answers.popleft())

    def _latencies_s(self) -> list[float]:
        if not self._options.speed:
            return self._robot.executed_s
        return [item / self._options.speed for item in self._bridge.statistics.latencies_s]
