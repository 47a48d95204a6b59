"""`python -m robustness NAME [OPTION ...]`: fuzz, chaos, soak or isolation."""

from __future__ import annotations

import sys

from benchmarks.__main__ import run

if __name__ == "__main__":
    sys.exit(run("robustness", ("chaos", "fuzz", "isolation", "soak"), sys.argv[1:]))
