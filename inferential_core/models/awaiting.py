"""Answers that have to be awaited, on a thread that can wait."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any

import numpy as np

# What models return most, known without the expensive question whether it can be awaited.
_FINISHED = frozenset((dict, list, np.ndarray))


class Asynchronous:
    """An event loop for each thread that needs one.

    One for all calls of a thread, not asyncio.run: what a model opened in one call serves the
    next.
    """

    def __init__(self) -> None:
        self._local = threading.local()  # .loop: of this thread

    def finished(self, answer: Any) -> Any:
        """The answer itself, or what comes of waiting for it."""
        if type(answer) in _FINISHED or not inspect.isawaitable(answer):
            return answer
        loop: asyncio.AbstractEventLoop | None = getattr(self._local, "loop", None)
        if loop is None:
            loop = self._local.loop = asyncio.new_event_loop()
        return loop.run_until_complete(answer)

    def end_thread(self) -> None:
        """This thread calls no more."""
        loop = getattr(self._local, "loop", None)
        if loop is not None:
            self._local.loop = None
            loop.close()
