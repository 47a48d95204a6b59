"""The batches a child process is at, each under a number that both sides know it by."""

from __future__ import annotations

import itertools
import threading

from ..base import Batch


class InFlight:
    """Whoever takes a batch out ends it: that makes it once. From any thread.

    Open between `open` and `close`; before and afterwards nothing can be put in.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._batches: dict[int, Batch] = {}
        self._numbered: dict[Batch, int] = {}

    def open(self) -> None:
        """Take in batches from now on."""
        with self._lock:
            self.is_open = True

    def put(self, batch: Batch) -> int:
        """Its number; 0 if it could not be put in."""
        with self._lock:
            if not self.is_open:
                return 0
            number = next(self._numbers)
            self._batches[number] = batch
            self._numbered[batch] = number
            return number

    def remove(self, batch: Batch) -> int:
        """The number it had; 0 if it is not there."""
        with self._lock:
            number = self._numbered.pop(batch, 0)
            self._batches.pop(number, None)
            return number

    def remove_number(self, number: int) -> Batch | None:
        """The batch of that number; None if it is not there."""
        with self._lock:
            batch = self._batches.pop(number, None)
            if batch is not None:
                del self._numbered[batch]
            return batch

    def close(self) -> list[Batch]:
        """Take out all that are there."""
        with self._lock:
            self.is_open = False
            left = list(self._batches.values())
            self._batches.clear()
            self._numbered.clear()
            return left
