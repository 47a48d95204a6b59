"""`python -m benchmarks [NAME [OPTION ...]]`: all that make figures, or the one that is named."""

from __future__ import annotations

import importlib
import sys

FIGURES = (
    "transport",
    "fanin",
    "imports",
    "schedule",
    "bridge",
    "convert",
    "dispatch",
    "metrics",
    "encryption",
)
BENCHMARKS = (*FIGURES, "page", "fuzz", "chaos", "soak", "isolation")


def main(arguments: list[str]) -> int:
    """0 if all went well."""
    names, options = arguments[:1] or FIGURES, arguments[1:]
    for name in names:
        if name not in BENCHMARKS:
            print(f"no benchmark {name!r}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
            return 2
        if status := importlib.import_module(f"{__package__}.{name}").main(options):
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
