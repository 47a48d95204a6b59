"""Shows on stderr what a command waits for, once that lasts longer than two seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from ..log.waiting import waiting

_EMPTY = "\r\033[K"  # the line of a terminal


@contextmanager
def progress(what: str, stream: TextIO | None = None) -> Iterator[Callable[[str], None]]:
    """As `waiting`: on a terminal one line, which is empty afterwards, else a line each time."""
    shown = stream or sys.stderr
    before, after = (_EMPTY, "") if shown.isatty() else ("", "\n")
    told = False

    def say(text: str) -> None:
        nonlocal told
        told = True
        print(f"{before}{text}", end=after, file=shown, flush=True)

    try:
        with waiting(say, what) as doing:
            yield doing
    finally:
        if told and before:
            print(_EMPTY, end="", file=shown, flush=True)
