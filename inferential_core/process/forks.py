"""Counts forks, so that what was made before one can tell that it is in the child.

A variable costs less than `os.getpid`.
"""

from __future__ import annotations

import os

count = 0  # of this process's ancestors and itself


def _forked() -> None:
    global count
    count += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
