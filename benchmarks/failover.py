"""What the end of one of two servers costs a fleet, and what it costs to list two.

    python -m benchmarks failover [--rounds N] [--robots N] [--seconds N] [--only PART]

killed    the server that all ask is killed: 50 simulated robots and two bridges over DDS, plans of
          0.8 s asked for when half is left. Good is a round in which every observation is answered
          within 0.35 s of when it was due, and no robot runs out of actions
drained   the same with SIGTERM: good is a round in which besides no observation is lost
overhead  round trips, and the processor time of a bridge, with two servers listed and with one
"""

from __future__ import annotations

import os
import random
import signal
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from inferential_core import Connection

from .builds import HERE
from .machine import ProcessorShare, introduce
from .options import parse, yes
from .processes import Program

WITHIN_S, GOOD_KILLS = 0.35, 0.95  # of the rounds
P50, PROCESSOR = 1.02, 1.03  # x with one server listed, at most
PARTS = ("killed", "drained", "overhead")
SETTLE_S = 2.0
CONTRACT = """
robot: bench
model: {id: policy}
observation:
  trigger: {runway: 0.5}
  keys: {state: {topic: joint_states, type: sensor_msgs/msg/JointState, joints: [a]}}
action:
  names: [a, b, c, d, e, f, g]
  rate_hz: 50
  outputs: [{topic: commands, type: std_msgs/msg/Float64MultiArray, kind: position}]
"""


def free_address() -> str:
    """Where a server can listen, and again after its end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


class Fleet:
    """Two servers, simulated robots and, where ROS 2 is installed, two bridges."""

    def __init__(self, robots: int, stack: ExitStack) -> None:
        self._stack = stack
        self._log = stack.enter_context(tempfile.TemporaryFile())
        addresses = [free_address() for _ in range(2)]
        self.servers = {address: self._serve(address) for address in addresses}
        listed = ",".join(addresses)
        self._asked = addresses[0]  # by most robots, when it was last looked
        self._robots = HERE.program(
            "peers/failing.py", "robots", robots, listed, stack=stack, log=self._log
        )
        self.clients = {"robots": self._robots.pid}  # and the bridges, by name
        self.total: Counter[str] = Counter()  # of what `_look` found
        self.lost_why: Counter[str] = Counter()  # of the robots' observations
        self._bridges: Program | None = None
        if find_spec("rclpy") is not None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            contract = folder / "contract.yaml"
            contract.write_text(CONTRACT)
            words = ("bridges", contract, listed, "r")
            self._bridges = HERE.program("peers/failing.py", *words, stack=stack, log=self._log)
            stack.callback(self._bridges.finish)
            self._bridges.hear()
        time.sleep(SETTLE_S)
        self._look()
        self.total.clear()  # of the start
        self.lost_why.clear()

    def _serve(self, address: str) -> Program:
        program = HERE.program(
            "peers/failing.py", "server", address, stack=self._stack, log=self._log
        )
        program.hear()
        return program

    def round(self, what: signal.Signals) -> dict[str, Any]:
        """End the server that is asked; what that cost. It is there again then."""
        ended = self._asked
        os.kill(self.servers[ended].pid, what)
        time.sleep(SETTLE_S)
        cost = self._look()
        self.servers[ended].end()
        self.servers[ended] = self._serve(ended)
        self._look()
        time.sleep(SETTLE_S)
        cost["calm_s"] = self._look()["worst_s"]
        return cost

    def _look(self) -> dict[str, Any]:
        seen = self._robots.ask({})
        self._asked = max(seen["asked"], key=seen["asked"].__getitem__)
        cost = {name: seen[name] for name in ("worst_s", "dry")}
        cost["lost"] = sum(seen["ended"].values())
        self.lost_why += Counter(seen["ended"])
        if self._bridges is not None:
            for name, bridge in self._bridges.ask({}).items():
                self.clients[name] = bridge["pid"]
                cost["worst_s"] = max(cost["worst_s"], bridge["worst_s"])
                cost["dry"] += bridge["dry"]
        self.total += Counter({name: cost[name] for name in ("lost", "dry")})
        return cost


def ended(name: str, what: signal.Signals, fleet: Fleet, rounds: int) -> bool:
    """Print what each end cost; whether enough of them were good."""
    costs = [fleet.round(what) for _ in range(rounds)]
    drains = what is signal.SIGTERM
    good = [
        cost["worst_s"] <= WITHIN_S and not cost["dry"] and not (drains and cost["lost"])
        for cost in costs
    ]
    worst = sorted(cost["worst_s"] for cost in costs)
    told = f"worst answer p50 {statistics.median(worst):.3f} s, max {worst[-1]:.3f} s"
    told += f" (while no server ends: max {max(cost['calm_s'] for cost in costs):.3f} s)"
    dry, lost = (sum(cost[what] for cost in costs) for what in ("dry", "lost"))
    needed = rounds if drains else int(GOOD_KILLS * rounds)
    reached = sum(good) >= needed
    print(
        f"{name:>9}: {sum(good)} of {rounds} good (at least {needed}): {yes(reached)}; {told},"
        f" {dry} times without actions, {lost} observations lost",
        flush=True,
    )
    return reached


def round_trips(connections: dict[str, Connection], seconds: float) -> dict[str, float]:
    """The median round trip in ms over each connection; they take turns."""
    models = {
        name: each.model("policy", control_period_ms=20) for name, each in connections.items()
    }
    took: dict[str, list[float]] = {name: [] for name in models}
    state = np.zeros(7, np.float32)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for name, model in models.items():
            begun = time.perf_counter()
            model.observe(steps_remaining=20, state=state)
            if model.get_result(5000) is None:
                raise RuntimeError("a server did not answer: the machine is too busy")
            took[name].append(time.perf_counter() - begun)
    return {name: 1e3 * statistics.median(each) for name, each in took.items()}


def overhead(seconds: float, stack: ExitStack) -> bool:
    """Print what it costs to list two servers while the first one is well."""
    log = stack.enter_context(tempfile.TemporaryFile())
    servers = [HERE.server(stack)[1]["address"] for _ in range(2)]
    listed = {"one": servers[0], "two": ",".join(servers)}
    connections = {
        name: stack.enter_context(Connection(each, client_id=name))
        for name, each in listed.items()
    }
    p50 = round_trips(connections, seconds)
    ratio = p50["two"] / p50["one"]
    reached = ratio <= P50
    print(
        f"{'p50':>9}: {p50['two']:.3f} ms with two listed, {p50['one']:.3f} ms with one:"
        f" {ratio:.3f}x (at most {P50}x): {yes(reached)}",
        flush=True,
    )
    if find_spec("rclpy") is None:
        return reached
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    contract = folder / "contract.yaml"
    contract.write_text(CONTRACT.replace("{runway: 0.5}", "{on: state}"))
    programs = {
        name: HERE.program(
            "peers/failing.py", "bridges", contract, each, name, stack=stack, log=log
        )
        for name, each in listed.items()
    }
    pids: dict[str, list[int]] = {}
    for name, program in programs.items():
        stack.callback(program.finish)
        program.hear()
        pids[name] = [each["pid"] for each in program.ask({}).values()]
    time.sleep(SETTLE_S)
    meters = {name: [ProcessorShare(pid) for pid in each] for name, each in pids.items()}
    time.sleep(seconds)
    shares = {name: 100 * sum(meter() for meter in each) for name, each in meters.items()}
    ratio = shares["two"] / shares["one"]
    print(
        f"{'processor':>9}: two bridges use {shares['two']:.1f} % of a core with two listed,"
        f" {shares['one']:.1f} % with one: {ratio:.3f}x (at most {PROCESSOR}x):"
        f" {yes(ratio <= PROCESSOR)}",
        flush=True,
    )
    return reached and ratio <= PROCESSOR


def main(arguments: list[str]) -> int:
    options = parse(
        "failover",
        __doc__,
        arguments,
        rounds=20,
        robots=50,
        seconds=20.0,
        only=(str, "one part of it", {"choices": PARTS}),
    )
    os.environ["ROS_DOMAIN_ID"] = str(random.randint(1, 100))
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    introduce("two servers, one of which ends")
    parts = [options.only] if options.only else list(PARTS)
    reached = []
    with ExitStack() as stack:
        if {"killed", "drained"} & set(parts):
            fleet = Fleet(options.robots, stack)
            for name, what in (("killed", signal.SIGKILL), ("drained", signal.SIGTERM)):
                if name in parts:
                    reached.append(ended(name, what, fleet, options.rounds))
    with ExitStack() as stack:
        if "overhead" in parts:
            reached.append(overhead(options.seconds, stack))
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
