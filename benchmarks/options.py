"""The options of a program, from a line each, and how its verdicts are worded."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

AGAINST = (str, "compare with a git revision, in one run", {"metavar": "REVISION"})


def parse(name: str, about: str | None, arguments: list[str], **known: Any) -> Any:
    """The values of a program's options, by name.

    known: for each option its default, or (default, help), or (default, help, what else argparse
    takes). False makes a switch; a list takes several values; a type in place of a default leaves
    None where the option is not given.
    """
    parser = argparse.ArgumentParser(prog=name, description=(about or "").splitlines()[0])
    for option, declared in known.items():
        given = declared if isinstance(declared, tuple) else (declared, None)
        default, text, more = (*given, {})[:3]
        if default is False:
            how: dict[str, Any] = {"action": "store_true"}
        elif isinstance(default, list):
            how = {"nargs": "+", "type": type(default[0]), "default": default}
        elif isinstance(default, type):
            how = {"type": default}
        else:
            how = {"type": type(default), "default": default}
        parser.add_argument(f"--{option.replace('_', '-')}", help=text, **{**how, **more})
    return parser.parse_args(arguments)


def yes(good: bool) -> str:
    """Whether a bar is reached."""
    return "yes" if good else "NO"


def verdicts(checks: Mapping[str, bool]) -> str:
    """Whether each bar is reached, in a line."""
    return ", ".join(f"{text}: {yes(reached)}" for text, reached in checks.items())
