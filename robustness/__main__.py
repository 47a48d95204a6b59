"""`python -m robustness NAME [OPTION ...]`: fuzz, chaos, soak, rolling, isolation or slips."""

from __future__ import annotations

import sys

from benchmarks.__main__ import run

NAMES = ("chaos", "fuzz", "isolation", "rolling", "slips", "soak")

if __name__ == "__main__":
    sys.exit(run("robustness", NAMES, sys.argv[1:]))
