"""The build that a benchmark measures: this checkout, or a revision beside it (`--against`).

A revision lies in a git worktree below .bench/, which is kept. It runs on the Python, the packages
and the ROS 2 messages of this checkout: only its own Python files come first on the path. The
programs that are asked (benchmarks/peers, benchmarks/tasks.py) are those of this checkout, and
import of either build what is public; a peer that watches private parts is each build's own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from .processes import ROOT, Program

Figures = dict[str, float]  # name of a figure, ending with its unit -> value
Measure = Callable[[], Figures]
Cases = Mapping[str, Measure]  # name of a case -> what measures it once

FOLDER = ROOT / ".bench"
HEARTBEAT_MS = 1000  # what our client does by default


class NoRevision(Exception):
    """There is no such revision to compare with; the text tells what to do."""


@dataclass(frozen=True)
class Build:
    """A tree of this package's Python files."""

    root: Path

    def program(
        self, script: str, *arguments: object, stack: ExitStack, log: IO[bytes] | None = None
    ) -> Program:
        """A program below benchmarks/ that imports this build's packages; it ends with the stack.

        Mappings among the arguments are passed as JSON.
        """
        words = [json.dumps(each) if isinstance(each, dict) else each for each in arguments]
        path = ROOT / "benchmarks" / script
        program = Program(sys.executable, path, *words, packages=self.root, log=log)
        return stack.enter_context(program)

    def server(
        self, stack: ExitStack, log: IO[bytes] | None = None, **options: Any
    ) -> tuple[Program, dict[str, str]]:
        """A server (peers/ours.py, which says what the options are) and its `address`, `page`."""
        program = self.program("peers/ours.py", "server", options, stack=stack, log=log)
        return program, program.hear()

    def crowd(self, address: str, clients: int, stack: ExitStack) -> Program:
        """So many clients of a server, connected and each answered once (peers/crowd.py)."""
        program = self.program("peers/crowd.py", address, clients, HEARTBEAT_MS, stack=stack)
        program.hear()
        return program

    def cases(self, task: str, stack: ExitStack, **options: Any) -> Cases:
        """What a program measures with this build's packages (tasks.py)."""
        program = self.program("tasks.py", task, options, stack=stack)
        return {name: partial(program.ask, name) for name in program.hear()}


HERE = Build(ROOT)


def build_of(revision: str) -> Build:
    """The build of a git revision, checked out on first use; NoRevision where there is none."""
    found = _git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if found.returncode:
        if _git("rev-parse", "--git-dir").returncode:
            told = f"--against {revision} needs a git repository, and {ROOT} is none"
            raise NoRevision(f"{told}: clone the repository instead of unpacking an archive")
        told = f"--against {revision}: this repository has no such revision"
        raise NoRevision(f"{told}; `git log` lists those it has, `git fetch --unshallow` adds to")
    commit = found.stdout.strip()
    folder = FOLDER / commit[:12]
    if not (folder / "benchmarks").is_dir():
        made = _git("worktree", "add", "--force", "--detach", str(folder), commit)
        if made.returncode:
            raise NoRevision(f"--against {revision}: {made.stderr.strip()}")
    return Build(folder)


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True)
