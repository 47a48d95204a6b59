"""Who may use a connection, and that nothing of it is left behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TypeVar

from ..errors import UsageError

T = TypeVar("T")

_forks = 0  # of this process's ancestors and itself; a variable costs less than getpid


def _count_fork() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)


class Owner:
    """The thread that a connection belongs to: the one that uses it first, while it lives."""

    def __init__(self) -> None:
        self.closed = False
        self._forks = _forks
        self._thread: threading.Thread | None = None
        self._ident = 0

    def check(self) -> None:
        """UsageError where this thread must not use the connection, or nobody can any more."""
        if self.closed:
            raise UsageError("the connection is closed")
        # libzmq's threads did not come along, and its calls would never return
        if self._forks != _forks:
            raise UsageError("a connection cannot be used after fork: make one in the child")
        if threading.get_ident() != self._ident:
            self._take_over()

    def check_thread(self) -> None:
        """UsageError where it belongs to another thread."""
        if threading.get_ident() != self._ident:
            self._take_over()

    def forked(self) -> bool:
        """Whether this is a child of the process that made the connection."""
        return self._forks != _forks

    def is_here(self) -> bool:
        """Whether it belongs to this thread."""
        return threading.get_ident() == self._ident

    def _take_over(self) -> None:
        here = threading.current_thread()
        if self._thread is not None and self._thread.is_alive() and self._thread is not here:
            raise UsageError(
                f"a connection belongs to one thread, and this one is used by"
                f" {self._thread.name!r}: make another one for {here.name!r}"
            )
        self._thread, self._ident = here, threading.get_ident()


class Resources:
    """What has to be closed, in the reverse order; in a forked child it is left alone.

    None of it is forgotten before it is closed, so that after an interrupt it can be done again.
    """

    def __init__(self) -> None:
        self._forks = _forks
        self._closers: list[Callable[[], object]] = []

    def keep(self, resource: T, close: Callable[[T], object]) -> T:
        """`resource`, which `release` will close."""
        self._closers.append(lambda: close(resource))
        return resource

    def release(self) -> None:
        """Close all that is kept; may be called again."""
        while self._closers and self._forks == _forks:
            self._closers[-1]()
            self._closers.pop()
