"""Says what a wait is for, once it has lasted longer than a person waits without a word."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY_S = 2.0
_SHARE = 0.1  # of the time that has passed: a wait of many minutes is told less often


@contextmanager
def waiting(say: Callable[[str], object], what: str) -> Iterator[Callable[[str], None]]:
    """While this holds, `say` is told every few seconds that `what` goes on, and for how long.

    On a thread of its own, since whoever waits is busy. what: a sentence without its end, such as
    "the server makes the model 'policy'"; to be replaced by calling what this yields.
    """
    over = threading.Event()
    begun = time.monotonic()
    now = [what]

    def tell() -> None:
        while not over.wait(max(EVERY_S, _SHARE * (time.monotonic() - begun))):
            say(f"{now[0]}, for {time.monotonic() - begun:.0f} s now")

    def change(what: str) -> None:
        now[0] = what

    teller = threading.Thread(target=tell, name="inferential-waiting", daemon=True)
    teller.start()
    try:
        yield change
    finally:
        over.set()
        teller.join()
