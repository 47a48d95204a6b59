"""Import time of the client against that of the three packages it stands on.

    python -m benchmarks imports [--rounds N]

Fresh interpreters, interleaved, medians. The base is pyzmq, numpy and the parts of protobuf that
any generated module needs, in one interpreter, so that what they share is counted once.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys

from .machine import introduce
from .processes import ROOT

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


def import_ms(statement: str) -> float:
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT), *sys.path]))
    command = [sys.executable, "-c", TIMED.format(statement)]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return 1000 * float(json.loads(said.stdout))


def main(arguments: list[str]) -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(prog="imports", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args(arguments).rounds
    introduce(f"import time in fresh interpreters, medians of {rounds} interleaved rounds")
    times: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for statement in IMPORTS.values():
        import_ms(statement)  # so that bytecode is compiled and files are in memory
    for _ in range(rounds):
        for name, statement in IMPORTS.items():
            times[name].append(import_ms(statement))
    medians = {name: statistics.median(each) for name, each in times.items()}
    for name, median in medians.items():
        print(f"{name:>12}{median:9.1f} ms")
    alone = sum(medians[name] for name in ("pyzmq", "protobuf", "numpy"))
    print(f"the client takes {medians['the client'] / alone:.2f}x the sum of the three alone")
    ratio = medians["the client"] / medians["these three"]
    print(f"and {ratio:.2f}x the three in one interpreter, at most {AT_MOST}x:", end=" ")
    print("yes" if ratio <= AT_MOST else "NO", flush=True)
    return 0
