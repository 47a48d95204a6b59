"""What the parsers of several commands share."""

from __future__ import annotations

import argparse


def positive(text: str) -> float:
    """A finite number above 0."""
    value = float(text)
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def count(text: str) -> int:
    """A whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def add_own_server(parser: argparse.ArgumentParser) -> None:
    """The option that names one of the servers that this user runs on this machine."""
    parser.add_argument(
        "--server",
        default="",
        metavar="ADDRESS",
        help="address of the server, such as tcp://127.0.0.1:5555; default: the only one that this"
        " user runs on this machine",
    )
