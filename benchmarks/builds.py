"""The build that a benchmark measures: this checkout, or a revision beside it (`--against`).

A revision lies in a git worktree below .bench/, which is kept. It runs on the Python, the packages
and the ROS 2 messages of this checkout: only its own Python files come first on the path. A
benchmark asks each build through that build's own peers (benchmarks/peers), whose questions and
answers stay the same from revision to revision.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .processes import ROOT, Program

FOLDER = ROOT / ".bench"


class NoRevision(Exception):
    """There is no such revision to compare with; the text tells what to do."""


@dataclass(frozen=True)
class Build:
    """A tree of this package's Python files."""

    root: Path

    def peer(
        self, script: str, *arguments: object, stack: ExitStack, log: IO[bytes] | None = None
    ) -> Program:
        """A program of benchmarks/peers of this build, which ends with the stack."""
        path = self.root / "benchmarks" / "peers" / script
        program = Program(sys.executable, path, *arguments, packages=self.root, log=log)
        stack.callback(program.end)
        return program

    def task(self, name: str, stack: ExitStack) -> Program:
        """A program of this checkout's benchmarks/tasks that imports the packages of the build."""
        path = ROOT / "benchmarks" / "tasks" / f"{name}.py"
        program = Program(sys.executable, path, packages=self.root)
        stack.callback(program.end)
        return program


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
