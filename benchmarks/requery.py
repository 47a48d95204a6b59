"""How much of the time a robot is on its fallback, by when it asks: simulated, and in real time.

    python -m benchmarks requery [--quick] [--real]

For every pair of a chunk and a model's latency, the default of `supersede` and `trigger` beside
every other setting. The bridge's own classes run on a clock of this program; the server is one
model that serves one observation after the other, in the order of their coming, where a newer
observation takes the place of an older one of the same robot. `--real`: six of the cells with a
server, sockets and sleeping threads.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from inferential_core import Reply, Status

from .machine import introduce
from .options import parse

STEPS = (16, 32, 50, 100)
RATES_HZ = (10, 20, 30, 50)
LATENCIES_MS = (20, 50, 100, 200, 300, 500)
ROBOTS = (1, 4)
SENSOR_HZ = 30.0
SECONDS = 20.0
SETTLE_S = 3.0  # first plans and what is learned of the server
UPLINK_NS = 1_000_000
JITTER = 0.05  # of the model's latency, so that no figure hangs on the phase of sensor and ticks
BAR = 0.02
DEFAULT = "default"
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    DEFAULT: ({}, {}),
    "runway 0.5, always": ({"supersede": True}, {"trigger": {"runway": 0.5}}),
    "runway 0.5, one at a time": ({"supersede": False}, {"trigger": {"runway": 0.5}}),
    "runway 0.9, always": ({"supersede": True}, {"trigger": {"runway": 0.9}}),
    "runway 0.9, one at a time": ({"supersede": False}, {"trigger": {"runway": 0.9}}),
    "every sample": ({"supersede": True}, {"trigger": {"on": "state"}}),
    "every sample, one at a time": ({"supersede": False}, {"trigger": {"on": "state"}}),
}


@dataclass(frozen=True)
class Cell:
    """One chunk and one model."""

    steps: int
    rate_hz: int
    latency_ms: int
    robots: int

    def __str__(self) -> str:
        robots = f"{self.robots} robot{'s' if self.robots > 1 else ''}"
        return f"{self.steps} steps at {self.rate_hz} Hz, model {self.latency_ms} ms, {robots}"


def grid() -> Iterator[Cell]:
    """All cells."""
    return itertools.starmap(Cell, itertools.product(STEPS, RATES_HZ, LATENCIES_MS, ROBOTS))


def contract_of(cell: Cell, setting: str) -> Any:
    """The contract of a robot with one joint, whose model is asked as the setting says."""
    from inferential_ros.contract.loading import parse_contract

    model, observation = SETTINGS[setting]
    state = {"topic": "s", "type": "sensor_msgs/msg/JointState", "joints": ["a"]}
    output = {"topic": "o", "type": "std_msgs/msg/Float64MultiArray", "kind": "position"}
    action = {"names": ["a"], "rate_hz": cell.rate_hz, "outputs": [output]}
    return parse_contract(
        {
            "model": {"id": "policy", "answer_timeout_s": 30.0, **model},
            "observation": {"keys": {"state": state}, **observation},
            "action": action,
        }
    )


class World:
    """What happens when, in nanoseconds, on a clock of its own."""

    def __init__(self) -> None:
        self.now_ns = 1_700_000_000 * 10**9
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._count = itertools.count()

    def at(self, time_ns: int, do: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time_ns, next(self._count), do))

    def every(self, first_ns: int, period_ns: int, do: Callable[[], None]) -> None:
        def again() -> None:
            do()
            self.every(first_ns + period_ns, period_ns, do)

        self.at(first_ns, again)

    def run_until(self, time_ns: int) -> None:
        while self._events and self._events[0][0] <= time_ns:
            due_ns, _, do = heapq.heappop(self._events)
            self.wait_until(due_ns)
            do()

    def wait_until(self, time_ns: int) -> None:
        self.now_ns = time_ns


class RealWorld(World):
    """The same by the clock on the wall."""

    def wait_until(self, time_ns: int) -> None:
        time.sleep(max(0.0, (time_ns - time.time_ns()) / 1e9))

    now_ns = property(lambda self: time.time_ns(), lambda self, _: None)  # type: ignore[assignment]


@dataclass
class Waiting:
    """One observation on its way to the model."""

    robot: Robot
    observation: Any
    request_id: int
    sent_ns: int
    received_ns: int = 0


class Model:
    """One observation after the other; a newer one of a robot takes the older one's place."""

    def __init__(self, world: World, cell: Cell) -> None:
        self._world = world
        self._latency_ns = cell.latency_ms * 10**6
        self._actions = np.zeros((cell.steps, 1))
        self._queue: list[Waiting] = []
        self._busy = False
        self._random = np.random.default_rng(0)

    def receive(self, one: Waiting, supersedes: bool) -> None:
        one.received_ns = self._world.now_ns
        for index, other in enumerate(self._queue if supersedes else ()):
            if other.robot is one.robot:
                self._queue[index] = one
                self._answer(other, Status.SUPERSEDED)
                return
        self._queue.append(one)
        self._begin()

    def _begin(self) -> None:
        if self._busy or not self._queue:
            return
        self._busy = True
        one, begun_ns = self._queue.pop(0), self._world.now_ns

        def done() -> None:
            self._busy = False
            self._answer(one, Status.OK, begun_ns)
            self._begin()

        share = self._random.uniform(1.0 - JITTER, 1.0 + JITTER)
        self._world.at(begun_ns + round(share * self._latency_ns), done)

    def _answer(self, one: Waiting, status: Status, begun_ns: int = 0) -> None:
        at_ns, more = self._world.now_ns + UPLINK_NS, {}
        if status is Status.OK:
            more = {"result": {"actions": self._actions}}
            more["inference_latency_ms"] = self._latency_ns / 1e6
            more["queue_ms"] = (begun_ns - one.received_ns) / 1e6
        reply = Reply(one.request_id, "policy", status, one.sent_ns / 1e9, at_ns / 1e9, **more)
        self._world.at(at_ns, lambda: one.robot.answered(one, reply))


class Link:
    """As ServerLink: asks the bridge for an observation whenever it is woken."""

    connected = True
    refusal = ""

    def __init__(self, robot: Robot, settings: Any, handler: Any) -> None:
        self._robot = robot
        self._supersede = settings.supersede
        self._handler = handler
        self.waiting: dict[int, Waiting] = {}

    def in_flight(self, generation: int) -> int:
        """What bridges of older revisions ask for."""
        return len(self.waiting)

    def wake(self) -> None:
        world = self._robot.world
        made = self._handler.next_observation()
        if made is None:
            return
        request_id = next(self._robot.ids)
        one = Waiting(self._robot, made[0], request_id, world.now_ns)
        self.waiting[request_id] = one
        self._handler.on_sent()
        world.at(world.now_ns + UPLINK_NS, lambda: self._robot.model.receive(one, self._supersede))

    def start(self) -> None:
        """It needs no thread."""

    stop = reset = start


class Robot:
    """One bridge and what it needs of a robot; without a link of ours it makes its own."""

    def __init__(self, world: World, contract: Any, server: str, name: str, model: Any) -> None:
        from inferential_ros.bridge.bridge_core import BridgeCore

        self.world = world
        self.model = model
        self.ids = itertools.count(1)
        self.ticks = self.dry = self.sent = 0
        linked = {"make_link": partial(Link, self)} if model else {}
        self.bridge = BridgeCore(contract, server, name, self, **linked)

    def sample(self) -> None:
        seconds, nanoseconds = divmod(self.world.now_ns, 10**9)
        header = SimpleNamespace(stamp=SimpleNamespace(sec=seconds, nanosec=nanoseconds))
        self.bridge.store(0, SimpleNamespace(header=header, name=["a"], position=[0.0]))

    def tick(self) -> None:
        from inferential_ros.execution.executor import Source

        self.bridge.tick()
        if self._source is not Source.WAITING:
            self.ticks += 1
            self.dry += self._source is not Source.PLAN

    def answered(self, one: Waiting, reply: Reply) -> None:
        link = self.bridge.link
        link.waiting.pop(one.request_id, None)
        self.bridge.on_reply(one.observation, reply)
        if self.bridge.observation_due:
            link.wake()

    def begin(self, first_ns: int, rate_hz: float) -> None:
        self.world.every(first_ns, round(1e9 / SENSOR_HZ), self.sample)
        self.world.every(first_ns, round(1e9 / rate_hz), self.tick)

    def count_anew(self) -> None:
        self.ticks = self.dry = 0
        self.sent = self.bridge.statistics.observations

    # --- RobotIo ---

    def now_ns(self) -> int:
        return self.world.now_ns

    def wants_executed_chunks(self) -> bool:
        return False

    def steady_s(self) -> float:
        return self.world.now_ns / 1e9

    def publish_actions(self, tick: Any) -> None:
        self._source = tick.source

    def publish_state(self, *_: Any) -> None:
        """Nobody looks."""

    publish_chunk = publish_pending_chunk = publish_executed_chunk = publish_state


@dataclass(frozen=True)
class Outcome:
    """dry: share of the control ticks on the fallback. rate_hz: observations a second."""

    dry: float
    rate_hz: float


def play(cell: Cell, setting: str, seconds: float = SECONDS) -> Outcome:
    """One run, from the first sample on."""
    world = World()
    model, contract = Model(world, cell), contract_of(cell, setting)
    robots = [Robot(world, contract, "tcp://none:1", "r", model) for _ in range(cell.robots)]
    for robot in robots:
        robot.bridge.on_connected(True)
    return _outcome(world, robots, cell, SETTLE_S, seconds)


def _outcome(
    world: World, robots: list[Robot], cell: Cell, settle_s: float, seconds: float
) -> Outcome:
    """Let them run: what counts begins once they have settled."""
    begun_ns = world.now_ns
    for index, robot in enumerate(robots):
        robot.begin(begun_ns + index * 17_000_000, cell.rate_hz)
    settle_s = max(settle_s, 8.0 * cell.robots * cell.latency_ms / 1000.0)
    world.run_until(begun_ns + round(1e9 * settle_s))
    for robot in robots:
        robot.count_anew()
    world.run_until(begun_ns + round(1e9 * (settle_s + seconds)))
    ticks = sum(robot.ticks for robot in robots)
    sent = sum(robot.bridge.statistics.observations - robot.sent for robot in robots)
    dry = sum(robot.dry for robot in robots) / ticks if ticks else 1.0
    return Outcome(dry, sent / seconds / cell.robots)


REAL = (
    *(Cell(16, 30, 300, 1), Cell(16, 50, 100, 1), Cell(32, 10, 50, 1)),
    *(Cell(16, 20, 100, 4), Cell(32, 30, 100, 4), Cell(50, 50, 50, 4)),
)
REAL_SETTINGS = (DEFAULT, "every sample", "runway 0.5, one at a time")


def play_for_real(cell: Cell, setting: str, seconds: float = 5.0) -> Outcome:
    """As `play`, with a server, sockets and threads."""
    from inferential_core import LocalDispatcher, Server

    def infer(obs: dict[str, Any]) -> dict[str, Any]:
        time.sleep(cell.latency_ms / 1000.0)
        return {"actions": np.zeros((cell.steps, 1))}

    world, contract = RealWorld(), contract_of(cell, setting)
    with ExitStack() as stack:
        dispatcher = LocalDispatcher({"policy": infer})
        server = stack.enter_context(Server("tcp://127.0.0.1:*", dispatcher=dispatcher))
        names = [f"r{index}" for index in range(cell.robots)]
        robots = [Robot(world, contract, server.address, name, None) for name in names]
        for robot in robots:
            stack.callback(robot.bridge.stop)
            robot.bridge.start()
        return _outcome(world, robots, cell, 1.5, seconds)


def main(arguments: list[str]) -> int:
    """Print a row for each cell; 1 where the default is worse than the best setting."""
    options = parse(
        "requery",
        __doc__,
        arguments,
        quick=(False, "every seventh cell"),
        real=(False, "six cells with a server, in real time"),
    )
    introduce("share of the time on the fallback, by the settings of supersede and trigger")
    cells = list(REAL if options.real else grid())[:: 7 if options.quick else 1]
    settings = REAL_SETTINGS if options.real else tuple(SETTINGS)
    print(f"{'':>48}" + "".join(f"  {name[-18:]:>18}" for name in settings))
    worse = 0
    for cell in cells:
        run = play_for_real if options.real else play
        found = {setting: run(cell, setting) for setting in settings}
        best = min(outcome.dry for outcome in found.values())
        late = found[DEFAULT].dry > best + BAR
        worse += late
        row = "".join(f"  {100 * o.dry:7.1f} %{o.rate_hz:7.1f}/s" for o in found.values())
        print(f"{str(cell):>48}{row}{'  worse' if late else ''}")
    print(f"{worse} of {len(cells)} cells: the default is more than 2 points behind the best")
    return int(worse > 0)
