"""`inferential scheduler check`: whether a scheduler of one's own does what a server needs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..process.users_code import imported, users_code
from ..scheduler.base import Scheduler
from ..scheduler.conformance import check_scheduler
from ..scheduler.conformance_calls import Finding
from ..scheduler.conformance_policy import check_policy
from ..suggestion import nearest

HOLDS, FAILS = 0, 1


def main(argv: Sequence[str]) -> int:
    """Returns the exit code, see --help; UsageError says why there is nothing to check."""
    options = _parser().parse_args(argv)
    sys.path.insert(0, str(Path.cwd()))  # modules of the folder one stands in, as for serve
    failed = total = 0
    for finding in _findings(_named(options.target), options.target):
        total += 1
        failed += bool(finding.problem)
        print(f"{'NO ' if finding.problem else 'yes'}  {finding.check}", flush=True)
        if finding.problem:
            print(f"     {finding.problem}", flush=True)
    print(f"{total - failed} of {total} checks hold")
    return FAILS if failed else HOLDS


def _findings(found: Any, target: str) -> Iterator[Finding]:
    if isinstance(found, type):
        if not issubclass(found, Scheduler):
            raise UsageError(
                f"{target} is no scheduler: derive it of inferential_core.scheduler.base.Scheduler"
            )
        return check_scheduler(found)
    if callable(found):
        return check_policy(found)
    raise UsageError(f"{target} is a {type(found).__name__}: name a scheduler's class or a policy")


def _named(target: str) -> Any:
    """What `module:attribute` names."""
    module_name, colon, name = target.partition(":")
    if not (module_name and colon and name):
        raise UsageError(f"{target!r}: write module:Class, or module:function for a policy")
    with users_code(f"cannot import {module_name!r}"):
        module = imported(module_name)
    if not hasattr(module, name):
        known = [each for each in vars(module) if not each.startswith("_")]
        raise UsageError(f"{module_name} has no {name!r}: {nearest(name, known)}")
    return getattr(module, name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inferential scheduler",
        description="Check a scheduler or scoring policy of your own.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check",
        help="whether it does what a server needs",
        description="Call a scheduler through its five methods, or a policy with observations of"
        " many kinds, and say what a server would run into: observations that are lost or served"
        " twice, calls that take too long, raise or hang.",
        epilog="exit code: 0: all checks hold; 1: some do not. Example: inferential scheduler"
        " check my_schedulers:NewestFirst",
    )
    check.add_argument(
        "target", help="module:Class of a scheduler, or module:function of a policy"
    )
    return parser
