"""Closes what a connection is made of; a forked child, which shares it, leaves it alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..process import forks

T = TypeVar("T")


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
