"""Says what a wait is for, once it has lasted longer than a person waits without a word."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY_S = 2.0


@contextmanager
def waiting(say: Callable[[str], object], what: str) -> Iterator[None]:
    """While this holds, `say` is told every two seconds that `what` goes on, and for how long.

    On a thread of its own, since whoever waits is busy. what: a sentence without its end, such as
    "the server makes the model 'policy'".
    """
    over = threading.Event()
    begun = time.monotonic()

    def tell() -> None:
        while not over.wait(EVERY_S):
            say(f"{what}, for {time.monotonic() - begun:.0f} s now")

    teller = threading.Thread(target=tell, name="inferential-waiting", daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()
