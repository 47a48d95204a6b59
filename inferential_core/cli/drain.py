"""`inferential drain`: has a running server take leave of its robots, and end."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from ..control import caller
from .arguments import add_own_server
from .progress import progress

DRAINED, NOT_DRAINED = 0, 3  # 1: no server was found; 2: a mistake in the arguments


def main(argv: Sequence[str]) -> int:
    """Returns the exit code, see --help; CannotControl says why no server was drained."""
    options = _parser().parse_args(argv)
    begun = time.monotonic()
    server = caller.find(options.server)
    with progress("the server takes leave of its robots"):
        drained = caller.call(server, {"do": "drain"})
    passed = time.monotonic() - begun
    if drained:
        print(f"drained in {passed:.1f} s: the server ends")
        return DRAINED
    print(f"not drained after {passed:.1f} s, as its log tells: the server ends all the same")
    return NOT_DRAINED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inferential drain",
        description="Have a running server of this machine take leave of its robots, and end."
        " Robots that know another server go there; what the server has is answered. This takes"
        " transport.drain_s at most. SIGTERM does the same.",
        epilog="exit code: 0: all robots had gone and all was answered; 1: no server was found; 3:"
        " the time was over before. Example: inferential drain --server tcp://127.0.0.1:5555",
    )
    add_own_server(parser)
    return parser
