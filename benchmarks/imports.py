"""Import time of the client against that of the three packages it stands on.

    python -m benchmarks imports [--rounds N] [--against REVISION]

Fresh interpreters, interleaved, medians. The base is pyzmq, numpy and the parts of protobuf that
any generated module needs, in one interpreter, so that what they share is counted once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from .builds import Build, Cases, Figures
from .comparison import compare, interleave, middles
from .machine import introduce
from .options import AGAINST, parse, yes
from .processes import ROOT, path_to

AT_MOST = 1.3
PROTOBUF = (
    "from google.protobuf import descriptor_pool, symbol_database;"
    "from google.protobuf.internal import builder"
)
IMPORTS = {
    "pyzmq": "import zmq",
    "protobuf": PROTOBUF,
    "numpy": "import numpy",
    "these three": f"import zmq, numpy; {PROTOBUF}",
    "the client": "from inferential_core import Connection",
}
# The clock starts in the interpreter: what starting one costs is nobody's import.
TIMED = "import time; begun = time.perf_counter(); {}; print(time.perf_counter() - begun)"


def measure(statement: str, packages: Path = ROOT) -> Figures:
    environment = dict(os.environ, PYTHONPATH=path_to(packages))
    command = [sys.executable, "-c", TIMED.format(statement)]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return {"ms": 1000 * float(json.loads(said.stdout))}


def cases_of(build: Build, stack: ExitStack) -> Cases:
    """What `--against` measures of a build."""
    return {"the client": partial(measure, IMPORTS["the client"], build.root)}


def main(arguments: list[str]) -> int:
    """Print one table."""
    options = parse("imports", __doc__, arguments, rounds=15, against=AGAINST)
    introduce(f"import time in fresh interpreters, medians of {options.rounds} interleaved rounds")
    if options.against:
        return compare(options.against, cases_of, options.rounds)
    measures = {name: partial(measure, statement) for name, statement in IMPORTS.items()}
    interleave(measures, 1)  # so that bytecode is compiled and files are in memory
    times = {name: found["ms"] for name, found in middles(measures, options.rounds).items()}
    for name, median in times.items():
        print(f"{name:>12}{median:9.1f} ms")
    alone = times["pyzmq"] + times["protobuf"] + times["numpy"]
    print(f"the client takes {times['the client'] / alone:.2f}x the sum of the three alone")
    ratio = times["the client"] / times["these three"]
    told = f"and {ratio:.2f}x the three in one interpreter, at most {AT_MOST}x"
    print(f"{told}: {yes(ratio <= AT_MOST)}", flush=True)
    return 0
