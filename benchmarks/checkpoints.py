"""One server for a fleet against LeRobot's own, and what a server costs beside the bare policy.

    tools/lerobot.sh -- python -m benchmarks checkpoints [--rounds N] [--seconds S]
                                                         [--only fleet|batches] [--quick]

An ACT of LeRobot's default size with two cameras of 240 x 320, with random weights, on the CPU.
Four robots ask again as soon as they have their chunk: four policy servers of LeRobot, one for
each robot as that server is made, against one `inferential serve --model arm=lerobot:DIR`. Then
sixteen robots ask our server for batches of eight, against the policy called directly with batches
of eight: the median over pairs of measurements that follow each other, of wall time, and of the
processor time of a chunk. All run on the same cores, in interleaved rounds; who is not measured is
stopped.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from .builds import Figures, Measure
from .comparison import interleave, interval_of_median, medians, middles
from .machine import cpu_s, introduce
from .options import parse, verdicts
from .processes import PEERS, ROOT, Program, descendants

ROBOTS, BATCH = 4, 8
CHUNKS, P50, P95, SIZE, CPU = "chunks/s", "p50 ms", "p95 ms", "batch", "cpu ms/chunk"
CHUNKS_AT_LEAST, MEMORY_AT_MOST, P95_AT_MOST, ADDED_AT_LEAST = 1.3, 0.4, 0.8, 0.93
OURS, THEIRS = "inferential", "LeRobot"
SOCKETS, DIRECT = "by sockets", "directly"
NO_SETTINGS: Mapping[str, str] = {}
# A call on the CPU takes as long as its observations do one by one, so that batches stay small.
FULL_BATCHES = {
    "INFERENTIAL_SCHEDULING__STRATEGY": "batch_optimized",
    "INFERENTIAL_SCHEDULING__BATCH_OPTIMIZED__MAX_WAIT_MS": "20000",
}


class Servers:
    """Commands that serve, and a program with the robots that ask them."""

    def __init__(
        self,
        commands: Sequence[Sequence[object]],
        robots: Program,
        log: Path,
        settings: Mapping[str, str] = NO_SETTINGS,
    ) -> None:
        self.robots = robots
        self._served = [
            psutil.Popen([*map(str, each)], **_quiet(log, settings)) for each in commands
        ]

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


def _quiet(log: Path, settings: Mapping[str, str]) -> dict[str, Any]:
    written = log.open("ab")
    # No observation expires, however long a batch takes on a busy machine.
    patient = {"INFERENTIAL_SCHEDULING__REQUEST_TTL_MS": "300000"}
    environment = {**os.environ, **patient, **settings}
    return {"stdout": written, "stderr": written, "cwd": log.parent, "env": environment}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ours(
    folder: Path,
    robots: int,
    log: Path,
    stack: ExitStack,
    settings: Mapping[str, str] = NO_SETTINGS,
) -> Servers:
    address = f"tcp://127.0.0.1:{free_port()}"
    serve = [sys.executable, "-m", "inferential_core.cli", "serve", "--dispatcher", "local"]
    serve += ["--model", f"arm=lerobot:{folder}", "--bind", address, "--http", "off"]
    asking = Program(sys.executable, PEERS / "checkpoint_robots.py", "ours", robots, address)
    return _started(Servers([serve], stack.enter_context(asking), log, settings), stack)


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
        served = ours(folder, 2 * BATCH, work / "batches.log", stack, FULL_BATCHES)
        direct = stack.enter_context(
            Program(sys.executable, PEERS / "checkpoint_direct.py", folder, BATCH)
        )
        direct.hear()
        measures: dict[str, Callable[[], Figures]] = {
            SOCKETS: _measure(served, seconds),
            DIRECT: lambda: direct.ask({"seconds": seconds}),
        }
        pids = {SOCKETS: served.pids, DIRECT: lambda: [direct.pid]}
        found = interleave({who: _with_cpu(it, pids[who]) for who, it in measures.items()}, rounds)
    print(f"\nbatches of {BATCH}      chunks/s   cpu ms/chunk")
    for who, figures in found.items():
        middle = medians(figures)
        print(f"{who:14}{middle[CHUNKS]:14.2f}{middle[CPU]:15.0f}")
    pairs = list(zip(found[SOCKETS], found[DIRECT]))
    pace, cpu = ([ours[name] / direct[name] for ours, direct in pairs] for name in (CHUNKS, CPU))
    share, (least, most) = median(pace), interval_of_median(pace)
    print(f"{'ratio':14}{share:13.3f}x{median(cpu):14.3f}x", flush=True)
    print(f"round by round {least:.3f} to {most:.3f}x chunks/s in 95 % of cases")
    print(f"the server's batches were of {medians(found[SOCKETS])[SIZE]:.1f} in the mean")
    return {f"by sockets >= {ADDED_AT_LEAST}x": share >= ADDED_AT_LEAST}


def _with_cpu(measure: Callable[[], Figures], pids: Callable[[], list[int]]) -> Measure:
    """The same, and the processor time that a chunk takes these processes."""

    def measured() -> Figures:
        before, begun = sum(map(cpu_s, pids())), time.monotonic()
        figures = measure()
        used, passed = sum(map(cpu_s, pids())) - before, time.monotonic() - begun
        return {**figures, CPU: 1000.0 * used / (figures[CHUNKS] * passed)}

    return measured


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
