"""Ends a process that is done, though something keeps it: a thread, or work at its exit."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time

_log = logging.getLogger("inferential")

PATIENCE_S = 5.0


def end_within(code: int, seconds: float | None = None) -> None:
    """End the process with this exit code after so long (5 s), unless it has ended by then.

    The interpreter waits without a limit for threads that a model has left behind, and for what
    its libraries do at exit.
    """
    seconds = PATIENCE_S if seconds is None else seconds
    ending = threading.Thread(target=_end, args=(code, seconds), name="inferential-end")
    ending.daemon = True
    ending.start()


def _end(code: int, seconds: float) -> None:
    time.sleep(seconds)
    kept = [
        thread.name
        for thread in threading.enumerate()
        if not thread.daemon and thread is not threading.main_thread()
    ]
    by = f"threads ({', '.join(kept)})" if kept else "work at exit"
    _log.warning("the process ends after %.0f s, though %s of a model keeps it", seconds, by)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    os._exit(code)
