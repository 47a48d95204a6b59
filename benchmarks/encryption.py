"""What keys cost: the same server and client with and without CURVE.

    python -m benchmarks encryption [--quick] [--rounds N] [--case NAME]

Round trips and throughput as in `transport`, a core for each end, both pairs in the same run,
rounds interleaved, medians. With keys everything is encrypted and authenticated by libzmq's I/O
threads, and the rights of each observation are looked up.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from inferential_core.security.keyfiles import SERVER, make_keys, read_public
from inferential_core.security.rights_file import authorize

from .machine import introduce
from .processes import ROOT, Program
from .transport import CASES, Case, Figures, put_apart

STATE, STATE_P50_AT_MOST = CASES[0].name, 1.25  # x the round trip without keys
CLIENT = "client"


class Pair:
    """A server and a client that use the keys of a folder, or none."""

    def __init__(self, keys: str, stack: ExitStack) -> None:
        script = ROOT / "benchmarks" / "peers" / "ours.py"
        words = [f"keys={keys}"] if keys else []
        self.server = Program(sys.executable, script, "server", *words)
        stack.callback(self.server.end)
        self.client = Program(sys.executable, script, CLIENT, *words)
        stack.callback(self.client.end)
        put_apart(self.server, self.client)
        self.address = self.server.hear()

    def measure(self, case: Case, share: float) -> Figures:
        found: Figures = self.client.ask(case.question(self.address, share))
        return found


def make_folder(folder: Path) -> str:
    """Keys of a server and of one client, which may do everything."""
    for name in (SERVER, CLIENT):
        make_keys(folder, name)
    authorize(folder, CLIENT, read_public(folder / f"{CLIENT}.key").decode("ascii"), {})
    return str(folder)


def measure(cases: list[Case], rounds: int, share: float) -> bool:
    """Print the rows; whether the bar is reached."""
    reached = True
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        keys = make_folder(Path(folder) / "keys")
        pairs = {"without keys": Pair("", stack), "with keys": Pair(keys, stack)}
        for case in cases:
            found: dict[str, list[Figures]] = {name: [] for name in pairs}
            for _ in range(rounds):
                for name, pair in pairs.items():
                    found[name].append(pair.measure(case, share))
            medians = [
                {key: statistics.median(figures[key] for figures in each) for key in each[0]}
                for each in found.values()
            ]
            ratio = show(case, list(pairs), medians)
            reached &= case.name != STATE or ratio <= STATE_P50_AT_MOST
    print(f"p50 of {STATE!r} at most {STATE_P50_AT_MOST}x: {'yes' if reached else 'NO'}")
    return reached


def show(case: Case, names: list[str], medians: list[Figures]) -> float:
    """The rows of a case; p50 with keys to p50 without."""
    plain = medians[0]
    for name, figures in zip(names, medians):
        row = f"{case.name if figures is plain else '':14}{name:>14}"
        row += "".join(f"{figures[key]:9.0f}" for key in ("p50_us", "p99_us", "per_s"))
        row += f"{figures['p50_us'] / plain['p50_us']:9.2f}x"
        row += f"{figures['per_s'] / plain['per_s']:8.2f}x"
        print(row, flush=True)
    return medians[1]["p50_us"] / plain["p50_us"]


def main(arguments: list[str]) -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(prog="encryption", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a first impression, in seconds")
    parser.add_argument("--rounds", type=int, help="default 21, quick 3")
    parser.add_argument("--case", action="append", help="only cases whose name begins so")
    options = parser.parse_args(arguments)
    wanted = tuple(options.case or [""])
    rounds = options.rounds or (3 if options.quick else 21)
    introduce(f"round trip and pipelined requests, medians of {rounds} interleaved rounds")
    heads = (("p50 us", 9), ("p99 us", 9), ("req/s", 9), ("p50", 10), ("req/s", 9))
    print(" " * 28 + "".join(f"{head:>{width}}" for head, width in heads))
    cases = [case for case in CASES if case.name.startswith(wanted)]
    measure(cases, rounds, 0.2 if options.quick else 1.0)
    return 0
