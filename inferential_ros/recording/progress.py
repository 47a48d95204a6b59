"""Shows on standard error how far a long replay is: a line that changes, or one now and then."""

from __future__ import annotations

import sys
import time
from typing import TextIO

ON_A_SCREEN_S = 0.5
IN_A_LOG_S = 10.0


class ProgressLine:
    """Silent for the first moments, so that a short replay says nothing."""

    def __init__(self, stream: TextIO | None = None, every_s: float | None = None) -> None:
        self._stream = stream or sys.stderr
        self._screen = self._stream.isatty()
        usual_s = ON_A_SCREEN_S if self._screen else IN_A_LOG_S
        self._every_s = usual_s if every_s is None else every_s
        self._next_s = time.monotonic() + self._every_s
        self._shown = False

    def show(self, done: int, total: int, observations: int) -> None:
        """So many messages of all are replayed."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + self._every_s
        self._shown = True
        line = f"{100 * done // max(total, 1)} % of the recording, {observations} observations"
        print(
            f"\r\033[K{line}" if self._screen else line,
            end="" if self._screen else "\n",
            file=self._stream,
            flush=True,
        )

    def end(self) -> None:
        """Leave the screen's line empty."""
        if self._shown and self._screen:
            print("\r\033[K", end="", file=self._stream, flush=True)
