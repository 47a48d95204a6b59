"""Everybody a chaos run needs, started and ended together."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.processes import Program
from inferential_core.security.keyfiles import make_keys

CAST = Path(__file__).parent / "cast"
VISITORS = Path(__file__).parents[2] / "benchmarks" / "peers" / "visitors.py"
VISITORS_A_DOOR = 2
SCHEMES = {"openpi": "ws://", "gr00t": "tcp://", "lerobot": ""}  # of the doors' addresses
ATTACKER = Path(__file__).parents[1] / "attacker.py"
BRIDGES = ("bridge_1", "bridge_2")
# direct: robots and server on one socket. link, relay: with a network of our own between them.
# ray: direct, and the model on a Ray cluster of our own. pair: two servers, a link before each.
WAYS = ("direct", "link", "relay", "ray", "pair")
LIVELY_S = 30.0  # until everybody is served at the start
DOMAINS = range(60, 100)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Stage:
    """The cast, as programs that answer questions."""

    def __init__(self, way: str, seed: int, robots: int, logs: Path) -> None:
        self.way = way
        self.seed = seed
        self.folder = logs
        self.robot_names = [f"robot-{number}" for number in range(robots)]
        self.lives = 0  # how often the server was started
        self.unbalanced = 0  # how often its counters did not add up
        self._stack = ExitStack()
        self._robots = robots
        self.bind = f"tcp://127.0.0.1:{free_port()}"
        self.pair: list[Pair] = []  # where robots may ask two servers
        self.doors = {kind: f"127.0.0.1:{free_port()}" for kind in SCHEMES}

    def __enter__(self) -> Stage:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        os.environ.setdefault("ROS_DOMAIN_ID", str(DOMAINS[os.getpid() % len(DOMAINS)]))
        if self.way == "ray":
            self.cluster = self.program("cluster.py", free_port(), self.seed)
            self._stack.callback(self.cluster.finish)  # it takes its cluster along
            self.cluster_address: str = self.cluster.hear()
        self.start_server()
        self.seen_at = self.bind
        if self.way == "pair":
            other = f"tcp://127.0.0.1:{free_port()}"
            self.pair = [
                Pair(self, self.bind, self.doors, self.server),
                Pair(self, other, {}, self.program("server.py", other, "{}")),
            ]
            self.pair[1].server.hear()
            self.seen_at = ",".join(each.seen_at for each in self.pair)
        if self.way in ("link", "relay"):
            self.between = self.program(f"{self.way}.py", self.bind, self.seed)
            self.seen_at = self.between.hear()
        self.sensors = self.program("sensors.py", *BRIDGES)
        self.contract = self.folder / "contract.yaml"
        self.contract.write_text(self.sensors.hear())
        bridge = ("bridge.py", self.contract, self.seen_at)
        self.bridges = [self.program(*bridge, name) for name in BRIDGES]
        self.robots = self.program("robots.py", self.seen_at, self._robots)
        addresses = {kind: f"{SCHEMES[kind]}{where}" for kind, where in self.doors.items()}
        self.visitors = self.program(VISITORS, json.dumps(addresses), VISITORS_A_DOOR)
        for program in (*self.bridges, self.robots, self.visitors):
            program.hear()
        if not self.back_since(time.monotonic(), LIVELY_S):
            raise RuntimeError(f"not every robot is served after {LIVELY_S:.0f} s")
        self.rest()

    def program(self, script: str | Path, *arguments: Any) -> Program:
        """One of the cast, or another, which ends with the stage; its log is in the folder."""
        number = len(list(self.folder.glob("*.log")))
        log = (self.folder / f"{number:02}-{Path(script).stem}.log").open("w+b")
        self._stack.enter_context(log)
        made = Program(sys.executable, CAST / script, *arguments, log=log)
        return self._stack.enter_context(made)

    def start_server(self) -> None:
        """For the first time, or again at the same address; returns when it listens."""
        self.lives += 1
        address = [self.cluster_address] if self.way == "ray" else []
        self.server = self.program("server.py", self.bind, json.dumps(self.doors), *address)
        self.server.hear()

    def set_clocks(self, offset_s: float) -> None:
        """Of every process, as if they ran on one machine whose wall clock was set."""
        for program in (self.server, self.sensors, *self.bridges, self.robots):
            program.ask({"clock_s": offset_s})

    # --- what it finds ---

    def look(self) -> dict[str, Any]:
        """The server's account, which must add up."""
        servers = [each.server for each in self.pair if each.lives] or [self.server]
        accounts: list[dict[str, Any]] = [each.ask({}) for each in servers]
        self.unbalanced += not all(account["exact"] for account in accounts)
        clients = sum((Counter(account["clients"]) for account in accounts), Counter())
        lives = {server.pid: account["clients"] for server, account in zip(servers, accounts)}
        return {"clients": clients, "lives": lives}

    def asked(self) -> Pair:
        """Of two servers, the one that most robots ask."""
        return max(self.pair, key=lambda each: each.server.ask({})["connected"])

    def rest(self) -> int:
        """Have the robots ask no more; how many observations of theirs found no end."""
        left: int = self.robots.ask({"rest": True})
        return left

    def go_on(self) -> None:
        self.robots.ask({"rest": False})

    def back_since(self, when: float, patience_s: float) -> bool:
        """Wait until every robot acts on an observation made since then."""
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            question = {"live_since": when}
            if self.robots.ask(question) and self.sensors.ask(question):
                return True
            time.sleep(0.05)
        return False

    def visitors_back_since(self, when: float, patience_s: float) -> list[str]:
        """Wait until each client of a door has an answer to a question asked since then.

        Returns those that have none.
        """
        end = time.monotonic() + patience_s
        while missing := self.visitors.ask({"live_since": when}):
            if time.monotonic() >= end:
                break
            time.sleep(0.05)
        return list(missing)


class Pair:
    """One of two servers, and the link before it."""

    def __init__(self, stage: Stage, bind: str, doors: dict[str, str], server: Program) -> None:
        self.server = server
        self.lives = True
        self.link = stage.program("link.py", bind, stage.seed)
        self.seen_at: str = self.link.hear()
        self._stage = stage
        self._program = ("server.py", bind, json.dumps(doors))

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.lives = False
        self.server.end()

    def drain(self) -> None:
        """Have it take leave of its robots, and end."""
        self.lives = False
        self.server.ask({"drain": True})
        self.server.finish()

    def lock(self) -> None:
        """Have one take its place that demands keys, of which nobody has any."""
        self.kill()
        keys = self._stage.folder / "keys"
        if not keys.exists():
            make_keys(keys, "server")
        script, bind, _ = self._program
        self.server = self._stage.program(script, bind, "{}", "", keys)
        self.server.hear()

    def revive(self) -> None:
        """Start it again at its address, if it ended or another has its place."""
        if not self.lives:
            self.server.end()
            self._stage.lives += 1
            self.server = self._stage.program(*self._program)
            self.server.hear()
            self.lives = True
