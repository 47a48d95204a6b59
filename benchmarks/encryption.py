"""What keys cost: the same server and client with and without CURVE.

    python -m benchmarks encryption [--quick] [--rounds N] [--case NAME] [--against REVISION]

Round trips and throughput as in `transport`, a core for each end, both pairs in the same run,
rounds interleaved, medians. With keys everything is encrypted and authenticated by libzmq's I/O
threads, and the rights of each observation are looked up.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from inferential_core.security.keyfiles import SERVER, make_keys, read_public
from inferential_core.security.rights_file import authorize

from .builds import HERE, Build
from .comparison import Cases, Figures, add_against, compare, interleave, medians
from .machine import introduce
from .transport import CASES, Case, Pair, named, our_pair

STATE, STATE_P50_AT_MOST = CASES[0].name, 1.25  # x the round trip without keys
CLIENT = "client"


def make_folder(folder: Path) -> str:
    """Keys of a server and of one client, which may do everything."""
    for name in (SERVER, CLIENT):
        make_keys(folder, name)
    authorize(folder, CLIENT, read_public(folder / f"{CLIENT}.key").decode("ascii"), {})
    return str(folder)


def pairs_of(build: Build, stack: ExitStack) -> dict[str, Pair]:
    """The same server and client with a folder of keys and without."""
    keys = make_folder(Path(stack.enter_context(tempfile.TemporaryDirectory())) / "keys")
    return {
        "without keys": our_pair(build, True, stack),
        "with keys": our_pair(build, True, stack, keys),
    }


def measure(cases: list[Case], rounds: int, share: float) -> bool:
    """Print the rows; whether the bar is reached."""
    reached = True
    with ExitStack() as stack:
        pairs = pairs_of(HERE, stack)
        for case in cases:
            measures = {name: partial(pair.measure, case, share) for name, pair in pairs.items()}
            found = {name: medians(each) for name, each in interleave(measures, rounds).items()}
            ratio = show(case, list(found), list(found.values()))
            reached &= case.name != STATE or ratio <= STATE_P50_AT_MOST
    print(f"p50 of {STATE!r} at most {STATE_P50_AT_MOST}x: {'yes' if reached else 'NO'}")
    return reached


def cases_of(cases: list[Case], share: float, build: Build, stack: ExitStack) -> Cases:
    """What `--against` measures of a build."""
    return {
        f"{case.name}, {name}": partial(named, pair, case, share)
        for name, pair in pairs_of(build, stack).items()
        for case in cases
    }


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
    add_against(parser)
    options = parser.parse_args(arguments)
    wanted = tuple(options.case or [""])
    rounds = options.rounds or (3 if options.quick else 21)
    introduce(f"round trip and pipelined requests, medians of {rounds} interleaved rounds")
    cases = [case for case in CASES if case.name.startswith(wanted)]
    share = 0.2 if options.quick else 1.0
    if options.against:
        return compare(options.against, partial(cases_of, cases, share), rounds)
    heads = (("p50 us", 9), ("p99 us", 9), ("req/s", 9), ("p50", 10), ("req/s", 9))
    print(" " * 28 + "".join(f"{head:>{width}}" for head, width in heads))
    measure(cases, rounds, share)
    return 0
