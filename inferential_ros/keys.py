"""The key files with which a robot's node or a command meets a server that demands keys."""

from __future__ import annotations

import argparse
from typing import NamedTuple


class KeyFiles(NamedTuple):
    """Files of this robot's key and of the server's public one; '': as the environment has it."""

    key: str = ""
    server_key: str = ""

    def options(self) -> dict[str, str | None]:
        """The keyword arguments of a Connection that name these files."""
        return {"key": self.key or None, "server_key": self.server_key or None}


NO_KEYS = KeyFiles()


def add_key_options(parser: argparse.ArgumentParser) -> None:
    """Add --key and --server-key to a command that asks a server."""
    parser.add_argument(
        "--key",
        default="",
        metavar="FILE",
        help="this robot's .key_secret (default $INFERENTIAL_KEY)",
    )
    parser.add_argument(
        "--server-key",
        default="",
        metavar="FILE",
        help="the server's public key (default $INFERENTIAL_SERVER_KEY)",
    )
