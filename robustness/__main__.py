"""`python -m robustness NAME [OPTION ...]`: fuzz, chaos, soak, isolation or slips."""

from __future__ import annotations

import sys

from benchmarks.__main__ import run

if __name__ == "__main__":
    sys.exit(run("robustness", ("chaos", "fuzz", "isolation", "slips", "soak"), sys.argv[1:]))
