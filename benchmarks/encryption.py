"""What keys cost: the same server and client with and without CURVE.

    python -m benchmarks encryption [--quick] [--rounds N] [--case NAME] [--against REVISION]

Round trips and throughput as in `transport`, a core for each end, both pairs in the same run,
rounds interleaved, medians. With keys everything is encrypted and authenticated by libzmq's I/O
threads, and the rights of each observation are looked up.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from inferential_core.security.keyfiles import SERVER, make_keys, read_public
from inferential_core.security.rights_file import authorize

from .builds import HERE, Build
from .comparison import Cases, compare
from .options import yes
from .transport import CASES, P50, RATE, Pair, chosen, measured, our_pair

STATE, STATE_P50_AT_MOST = CASES[0].name, 1.25  # x the round trip without keys
CLIENT = "client"
ROW = "{:14}{:>14}{:9.0f}{:9.0f}{:9.0f}{:9.2f}x{:8.2f}x"
HEAD = f"{'':28}{'p50 us':>9}{'p99 us':>9}{'req/s':>9}{'p50':>10}{'req/s':>9}"


def pairs_of(build: Build, stack: ExitStack) -> dict[str, Pair]:
    """The same server and client without keys and with those of a client who may do everything."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "keys"
    for name in (SERVER, CLIENT):
        make_keys(folder, name)
    authorize(folder, CLIENT, read_public(folder / f"{CLIENT}.key").decode("ascii"), {})
    return {
        "without keys": our_pair(build, True, stack),
        "with keys": our_pair(build, True, stack, str(folder)),
    }


def cases_of(options: Any, build: Build, stack: ExitStack) -> Cases:
    """What `--against` measures of a build."""
    return {
        f"{case.name}, {name}": partial(pair.measure, case, options.share)
        for name, pair in pairs_of(build, stack).items()
        for case in options.cases
    }


def main(arguments: list[str]) -> int:
    """Print one table."""
    options = chosen("encryption", __doc__, arguments)
    if options.against:
        return compare(options.against, partial(cases_of, options), options.rounds)
    print(HEAD)
    reached = True
    with ExitStack() as stack:
        pairs = pairs_of(HERE, stack)
        for case in options.cases:
            found = measured(pairs, case, options)
            plain = found["without keys"]
            for name, mine in found.items():
                ratios = [mine[each] / plain[each] for each in (P50, RATE)]
                head = case.name if mine is plain else ""
                print(ROW.format(head, name, *mine.values(), *ratios), flush=True)
                reached &= case.name != STATE or ratios[0] <= STATE_P50_AT_MOST
    print(f"p50 of {STATE!r} at most {STATE_P50_AT_MOST}x: {yes(reached)}")
    return 0
