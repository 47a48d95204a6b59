"""Rubbish for whatever reads what others wrote.

    python -m robustness fuzz [messages ...]   a million mutated messages against a live server
    python -m robustness fuzz coverage ...     mutations guided by the code they reach, per reader
    python -m robustness fuzz doors ...        the first, for each door and in its protocol

All end with status 1 if a promise broke.
"""

from __future__ import annotations

import importlib

KINDS = ("messages", "coverage", "doors")


def main(arguments: list[str]) -> int:
    """0 if every promise held."""
    kind, options = "messages", arguments
    if arguments and arguments[0] in KINDS:
        kind, options = arguments[0], arguments[1:]
    status: int = importlib.import_module(f"{__package__}.{kind}").main(options)
    return status
