"""The names by which a user gives keys: environment variables, and what a program calls the rest.

A message names what its reader can change: an argument in a program, an option on the command
line, a parameter of a node. Which of them that is, a process of ours says once, as it begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

KEY_VARIABLE, SERVER_KEY_VARIABLE = "INFERENTIAL_KEY", "INFERENTIAL_SERVER_KEY"
VARIABLES = (KEY_VARIABLE, SERVER_KEY_VARIABLE)


class Names(NamedTuple):
    """key, server_key: of a client. folder, insecure: of a server."""

    key: str
    server_key: str
    folder: str
    insecure: str


IN_PYTHON = Names("key=", "server_key=", "security.keys", "security.allow_insecure")
ON_THE_COMMAND_LINE = Names(
    "--key",
    "--server-key",
    "--keys",
    "--allow-insecure (in a configuration: security.allow_insecure)",
)
OF_A_NODE = Names(
    "the parameter key_file",
    "the parameter server_key_file",
    "the parameter keys",
    "the parameter allow_insecure",
)
_spoken = IN_PYTHON


def names() -> Names:
    """As whoever reads a message of this process writes them."""
    return _spoken


@contextmanager
def speaking(of: Names) -> Iterator[None]:
    """Have messages name these, while this holds."""
    global _spoken
    before, _spoken = _spoken, of
    try:
        yield
    finally:
        _spoken = before
