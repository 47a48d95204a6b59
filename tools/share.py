"""Print a share of a folder's test modules, drawn by a seed: `share.py FOLDER PARTS [SEED]`.

One in PARTS is drawn. Without a seed it is the number of today, so that over some days each
module has its turn; it is told on stderr. Standard library only.
"""

from __future__ import annotations

import datetime
import random
import sys
from pathlib import Path


def main(folder: str, parts: str, seed: str = "") -> None:
    """Print the paths of the modules on one line."""
    seed = seed or str(datetime.date.today().toordinal())
    modules = sorted(map(str, Path(folder).rglob("test_*.py")))
    drawn = random.Random(seed).sample(modules, -(-len(modules) // int(parts)))
    print(
        f"{len(drawn)} of {len(modules)} modules: share.py {folder} {parts} {seed}",
        file=sys.stderr,
    )
    print(*sorted(drawn))


if __name__ == "__main__":
    main(*sys.argv[1:])
