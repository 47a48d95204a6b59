"""`inferential model`: what can be done with one model, a module for each."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

# name -> (module:function taking name and arguments and returning an exit code, what it does)
ACTIONS = {
    "show": ("inferential_core.cli.model_show:main", "say what a model takes, gives and needs"),
    "load": ("inferential_core.cli.model_changes:main", "serve one more model"),
    "replace": ("inferential_core.cli.model_changes:main", "serve another model under an id"),
    "unload": ("inferential_core.cli.model_changes:main", "serve a model no more"),
}


def main(argv: Sequence[str]) -> int:
    """Hand over to the action that is named; returns the exit code."""
    if not argv or argv[0] in ("-h", "--help") or argv[0] not in ACTIONS:
        asked = bool(argv) and argv[0] in ("-h", "--help")
        print(_usage(), file=sys.stdout if asked else sys.stderr)
        if argv and not asked:
            print(f"inferential model: there is no action {argv[0]!r}", file=sys.stderr)
        return 0 if asked else 2
    module, _, function = ACTIONS[argv[0]][0].partition(":")
    return int(getattr(importlib.import_module(module), function)(argv[0], argv[1:]))


def _usage() -> str:
    width = max(map(len, ACTIONS))
    lines = [f"  {name:<{width}}  {what}" for name, (_, what) in ACTIONS.items()]
    told = (
        "usage: inferential model ACTION ...   (inferential model ACTION --help for its options)"
    )
    return "\n".join([told, *lines])
