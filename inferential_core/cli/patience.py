"""Ends a wait of the main thread for a user's code, which knows of no time limit."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import InferentialError

_GRACE_S = 5.0  # for a call into a library, which ends before the interpreter hears of it


class NotReady(InferentialError):
    """What was waited for was not ready in time."""


class Patience:
    """So many seconds from now on; inf: for ever."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds; below 0 once it is over."""
        return self._until - time.monotonic()

    def over(self, why: str) -> NotReady:
        """The error that says so."""
        return NotReady(f"not ready after {self._seconds:g} s: {why}")

    @contextmanager
    def until_over(self, doing: str) -> Iterator[None]:
        """NotReady, with what was being done, unless this is left in time. In the main thread.

        It comes there as a Ctrl-C does. What takes no notice of that within 5 s ends with the
        process.
        """
        if self._seconds == math.inf:
            yield
            return
        left, over, main = threading.Event(), threading.Event(), threading.get_ident()

        def watch() -> None:
            if left.wait(max(0.0, self.left())):
                return
            over.set()
            signal.pthread_kill(main, signal.SIGINT)
            if not left.wait(_GRACE_S):
                os.write(2, f"inferential: {self.over(doing)}\n".encode())
                os._exit(1)

        threading.Thread(target=watch, name="inferential-patience", daemon=True).start()
        try:
            yield
        except KeyboardInterrupt:
            if over.is_set():
                raise self.over(doing) from None
            raise
        finally:
            left.set()
