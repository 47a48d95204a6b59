"""Handles SIGHUP: reads the settings again, or ends the program if its terminal was closed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable


def on_hangup(reload: Callable[[], None]) -> None:
    """Have `reload` called on SIGHUP from now on; only the main thread can ask for that.

    A shell whose terminal is closed sends the same signal. Whoever was started from one then ends,
    as on SIGTERM, instead of serving on where nobody sees it.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # nohup: it is to live on
    attended = not ignored and _terminal()

    def hung_up(*_: object) -> None:
        if attended and not _terminal():
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            reload()

    signal.signal(signal.SIGHUP, hung_up)


def _terminal() -> bool:
    """Whether this process has a terminal that is still open."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
