"""One server for a fleet against LeRobot's own, and what a server costs beside the bare policy.

    tools/lerobot.sh -- python -m benchmarks checkpoints [--rounds N] [--seconds S]
                                                         [--only fleet|batches] [--quick]

An ACT of LeRobot's default size with two cameras of 240 x 320, with random weights, on the CPU.
Four robots ask again as soon as they have their chunk: four policy servers of LeRobot, one for
each robot as that server is made, against one `inferential serve --model arm=lerobot:DIR`. Then
sixteen robots ask our server for batches of eight, against the policy called directly with batches
of eight. All run on the same cores, in interleaved rounds; who is not measured is stopped.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from .comparison import Figures, middles
from .machine import introduce
from .options import parse, verdicts
from .processes import PEERS, ROOT, Program, descendants

ROBOTS, BATCH = 4, 8
CHUNKS, P50, P95 = "chunks/s", "p50 ms", "p95 ms"
CHUNKS_AT_LEAST, MEMORY_AT_MOST, P95_AT_MOST, ADDED_AT_LEAST = 1.3, 0.4, 0.8, 0.93
OURS, THEIRS = "inferential", "LeRobot"
SOCKETS, DIRECT = "by sockets", "directly"


class Servers:
    """Commands that serve, and a program with the robots that ask them."""

    def __init__(self, commands: Sequence[Sequence[object]], robots: Program, log: Path) -> None:
        self.robots = robots
        self._served = [psutil.Popen([*map(str, each)], **_quiet(log)) for each in commands]

    def pids(self) -> list[int]:
        """Of the servers and of what they started."""
        return [pid for it in self._served for pid in (it.pid, *descendants(it.pid))]

    def pause(self) -> None:
        self.robots.pause()
        for pid in self.pids():
            psutil.Process(pid).suspend()

    def resume(self) -> None:
        for pid in self.pids():
            psutil.Process(pid).resume()
        self.robots.resume()

    def memory_mb(self) -> float:
        """Proportional set size: what they share counts once."""
        return sum(psutil.Process(pid).memory_full_info().pss for pid in self.pids()) / 1e6

    def measure(self, seconds: float) -> Figures:
        self.resume()
        try:
            found: Figures = self.robots.ask({"seconds": seconds})
            return found
        finally:
            self.pause()

    def end(self) -> None:
        for process in self._served:
            for child in (*process.children(recursive=True), process):
                child.kill()
        for process in self._served:
            process.wait()


def _quiet(log: Path) -> dict[str, Any]:
    written = log.open("ab")
    # No observation expires, however long a batch takes on a busy machine.
    patient = {**os.environ, "INFERENTIAL_SCHEDULING__REQUEST_TTL_MS": "300000"}
    return {"stdout": written, "stderr": written, "cwd": log.parent, "env": patient}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ours(folder: Path, robots: int, log: Path, stack: ExitStack) -> Servers:
    address = f"tcp://127.0.0.1:{free_port()}"
    serve = [sys.executable, "-m", "inferential_core.cli", "serve", "--dispatcher", "local"]
    serve += ["--model", f"arm=lerobot:{folder}", "--bind", address, "--http", "off"]
    asking = Program(sys.executable, PEERS / "checkpoint_robots.py", "ours", robots, address)
    return _started(Servers([serve], stack.enter_context(asking), log), stack)


def theirs(folder: Path, robots: int, log: Path, stack: ExitStack) -> Servers:
    ports = [free_port() for _ in range(robots)]
    module = [sys.executable, "-m", "lerobot.async_inference.policy_server", "--host=127.0.0.1"]
    addresses = [f"127.0.0.1:{port}" for port in ports]
    asking = Program(
        *(sys.executable, PEERS / "checkpoint_robots.py", "theirs", robots, *addresses, folder)
    )
    servers = Servers(
        [[*module, f"--port={port}"] for port in ports], stack.enter_context(asking), log
    )
    return _started(servers, stack)


def _started(servers: Servers, stack: ExitStack) -> Servers:
    stack.callback(servers.end)
    servers.robots.hear()  # every robot had its first chunk
    servers.pause()
    return servers


def fleet(folder: Path, work: Path, rounds: int, seconds: float) -> dict[str, bool]:
    """Four robots: chunks, delay and memory of ours and of theirs."""
    with ExitStack() as stack:
        makers: dict[str, Callable[..., Servers]] = {OURS: ours, THEIRS: theirs}
        served = {
            who: make(folder, ROBOTS, work / f"{who}.log", stack) for who, make in makers.items()
        }
        measures = {who: _measure(each, seconds) for who, each in served.items()}
        found = middles(measures, rounds)
        memory = {who: each.memory_mb() for who, each in served.items()}
    print(f"\n{ROBOTS} robots        chunks/s    p50 ms    p95 ms  memory MB")
    for who, figures in found.items():
        row = f"{figures[CHUNKS]:10.2f}{figures[P50]:10.0f}{figures[P95]:10.0f}{memory[who]:11.0f}"
        print(f"{who:14}{row}")
    chunks = found[OURS][CHUNKS] / found[THEIRS][CHUNKS]
    p95 = found[OURS][P95] / found[THEIRS][P95]
    share = memory[OURS] / memory[THEIRS]
    print(f"{'ratio':14}{chunks:9.2f}x{'':10}{p95:9.2f}x{share:10.2f}x", flush=True)
    return {
        f"chunks/s >= {CHUNKS_AT_LEAST}x": chunks >= CHUNKS_AT_LEAST,
        f"p95 <= {P95_AT_MOST}x": p95 <= P95_AT_MOST,
        f"memory <= {MEMORY_AT_MOST}x": share <= MEMORY_AT_MOST,
    }


def added(folder: Path, work: Path, rounds: int, seconds: float) -> dict[str, bool]:
    """Batches of eight by our server against the same calls without one."""
    with ExitStack() as stack:
        served = ours(folder, 2 * BATCH, work / "batches.log", stack)
        direct = stack.enter_context(
            Program(sys.executable, PEERS / "checkpoint_direct.py", folder, BATCH)
        )
        direct.hear()
        measures: dict[str, Callable[[], Figures]] = {
            SOCKETS: _measure(served, seconds),
            DIRECT: lambda: direct.ask({"seconds": seconds}),
        }
        found = middles(measures, rounds)
    print(f"\nbatches of {BATCH}      chunks/s")
    for who, figures in found.items():
        print(f"{who:14}{figures[CHUNKS]:14.2f}")
    share = found[SOCKETS][CHUNKS] / found[DIRECT][CHUNKS]
    print(f"{'ratio':14}{share:13.3f}x", flush=True)
    return {f"by sockets >= {ADDED_AT_LEAST}x": share >= ADDED_AT_LEAST}


def _measure(servers: Servers, seconds: float) -> Callable[[], Figures]:
    return lambda: servers.measure(seconds)


PARTS = {"fleet": fleet, "batches": added}


def main(arguments: list[str]) -> int:
    """0 if every bar is reached."""
    options = parse(
        "benchmarks checkpoints",
        __doc__,
        arguments,
        rounds=(5, "interleaved rounds"),
        seconds=(12.0, "length of each measurement, s"),
        quick=(False, "two rounds of five seconds: a look, no figure"),
        only=("", "one part of it", {"choices": ["", *PARTS]}),
    )
    rounds, seconds = (2, 5.0) if options.quick else (options.rounds, options.seconds)
    introduce("One ACT for four robots, and for batches of eight")
    work = Path(tempfile.mkdtemp(prefix="inferential-checkpoints-"))
    try:
        sys.path.insert(0, str(ROOT / "test" / "lerobot"))
        import tiny_policies

        folder = tiny_policies.save(
            work / "act", "act", cameras=2, size=(240, 320), pretrained_backbone_weights=None
        )
        checks: dict[str, bool] = {}
        for name, part in PARTS.items():
            if options.only in ("", name):
                checks |= part(folder, work, rounds, seconds)
    finally:
        shutil.rmtree(work)
    print(verdicts(checks))
    return int(not all(checks.values()))
