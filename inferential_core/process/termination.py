"""Handles SIGTERM for a program that does not: its servers stop before it ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Termination:
    """Whether the process was asked to end while a `until_sigterm` held."""

    asked = False
    last = False  # whether nobody else in this process still has to stop


_stops: list[Callable[[], None]] = []  # of all that serve now, and are to stop on SIGTERM


@contextmanager
def until_sigterm(stop: Callable[[], None]) -> Iterator[Termination]:
    """Have `stop` called on SIGTERM, in the main thread, while this holds.

    It does nothing outside of the main thread, and where the program handles SIGTERM itself, or
    ignores it: then the program decides.
    """
    termination = Termination()
    here = threading.current_thread() is threading.main_thread()
    if not (here and (_stops or signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)):
        yield termination
        return

    def asked() -> None:
        termination.asked = True
        stop()

    if not _stops:
        signal.signal(signal.SIGTERM, _stop_all)
    _stops.append(asked)
    try:
        yield termination
    finally:
        _stops.remove(asked)
        termination.last = not _stops
        if termination.last and signal.getsignal(signal.SIGTERM) is _stop_all:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _stop_all(*_: Any) -> None:
    for stop in list(_stops):
        stop()
