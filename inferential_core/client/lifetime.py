"""Checks which thread uses a connection, and cleans up after it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from ..errors import UsageError
from ..process import forks

T = TypeVar("T")


class Owner:
    """Whoever uses a connection: one thread at a time, in the process that made it."""

    def __init__(self) -> None:
        self.closed = False
        self._forks = forks.count
        # Of one thread as often as it likes: an interrupt may leave it taken once too often.
        self._use = threading.RLock()
        self.leave = self._use.release

    def check(self) -> None:
        """UsageError where nobody can use the connection any more, or not in this process."""
        if self.closed:
            raise UsageError("the connection is closed")
        # libzmq's threads did not come along, and its calls would never return
        if self._forks != forks.count:
            raise UsageError("a connection cannot be used after fork: make one in the child")

    def enter(self, *, to_close: bool = False) -> None:
        """Begin to use the connection, until `leave`; UsageError where this thread cannot.

        to_close: which may also be done again.
        """
        if (self.closed and not to_close) or self._forks != forks.count:
            self.check()
        if not self._use.acquire(blocking=False):
            here = threading.current_thread().name
            raise UsageError(
                f"another thread uses this connection now: make another one for {here!r}"
            )

    def forked(self) -> bool:
        """Whether this is a child of the process that made the connection."""
        return self._forks != forks.count


class Resources:
    """What has to be closed, in the reverse order; in a forked child it is left alone.

    None of it is forgotten before it is closed, so that after an interrupt it can be done again.
    """

    def __init__(self) -> None:
        self._forks = forks.count
        self._closers: list[Callable[[], object]] = []

    def keep(self, resource: T, close: Callable[[T], object]) -> T:
        """`resource`, which `release` will close."""
        self._closers.append(lambda: close(resource))
        return resource

    def release(self) -> None:
        """Close all that is kept; may be called again."""
        while self._closers and self._forks == forks.count:
            self._closers[-1]()
            self._closers.pop()
