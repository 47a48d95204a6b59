"""`python -m benchmarks [NAME] [OPTION ...]`: all that make figures, or the one that is named."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

FIGURES = tuple(
    "transport fanin imports schedule bridge requery convert dispatch metrics encryption"
    " cameras shutter failover doors profile ladder".split()
)
BENCHMARKS = (*FIGURES, "page", "checkpoints")


def run(package: str, known: Sequence[str], arguments: list[str]) -> int:
    """Run the program of `package` that the first argument names; 0 if all went well."""
    name, options = (arguments or [""])[0], arguments[1:]
    if name not in known:
        print(f"{package}: no {name!r}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    status: int = importlib.import_module(f"{package}.{name}").main(options)
    return status


def main(arguments: list[str]) -> int:
    """0 if all went well."""
    if arguments and not arguments[0].startswith("-"):
        return run("benchmarks", BENCHMARKS, arguments)
    every = (run("benchmarks", FIGURES, [name, *arguments]) for name in FIGURES)
    return next((status for status in every if status), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
