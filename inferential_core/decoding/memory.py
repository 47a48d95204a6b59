"""Memory for decoded images: one piece of shared memory, of which each image has a part.

It has no name. A process that is handed its file descriptor reads an image where it lies, so that
no image has to be copied on its way to a model in another process. Only what was used takes up
memory, and of the free parts the first one is taken, so that this is little more than was ever
used at once.
"""

from __future__ import annotations

import bisect
import itertools
import math
import mmap
import os
import threading
import weakref
from collections import deque
from typing import NamedTuple

import numpy as np

_PAGE = 4096
_numbers = itertools.count(1)
_all: weakref.WeakSet[PixelMemory] = weakref.WeakSet()  # of this process


class PixelMemory:
    """At most `limit` bytes. From any thread."""

    def __init__(self, limit: int) -> None:
        self.limit = limit // _PAGE * _PAGE
        self.number = next(_numbers)
        self.descriptor: int | None = None  # where this kind of memory is known
        self._memory: mmap.mmap | None = None  # from the first image on
        self._address = 0
        self._free = [(0, self.limit)]  # offset and size of each free part, in order
        self._used = 0
        self._returned: deque[tuple[int, int]] = deque()  # by whatever thread frees an array
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """Bytes that images lie in, those included that a model has kept."""
        with self._lock:
            self._take_back()
            return self._used

    def lend(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray | None:
        """An array to decode into; None where there is no room for it.

        Its part is free again when neither it nor any view of it is left.
        """
        size = math.prod(shape) * dtype.itemsize
        room = max(_PAGE, -(-size // _PAGE) * _PAGE)
        with self._lock:
            self._take_back()
            at = next((i for i, (_, free) in enumerate(self._free) if free >= room), None)
            if at is None:
                return None
            if self._memory is None:
                self._map()
            offset, free = self._free[at]
            if free == room:
                del self._free[at]
            else:
                self._free[at] = (offset + room, free - room)
            self._used += room
        assert self._memory is not None
        # What every view of it, and view of a view, keeps alive.
        part: np.ndarray = np.frombuffer(self._memory, np.uint8, size, offset)
        weakref.finalize(part, self._returned.append, (offset, room)).atexit = False
        return part.view(dtype).reshape(shape)

    def offset_of(self, address: int) -> int | None:
        """Where in this memory an address of this process is; None: elsewhere."""
        offset = address - self._address
        return offset if self._address and 0 <= offset < self.limit else None

    def _map(self) -> None:
        descriptor = -1
        if hasattr(os, "memfd_create"):
            self.descriptor = descriptor = os.memfd_create("inferential-images", os.MFD_CLOEXEC)
            weakref.finalize(self, os.close, descriptor)
            os.ftruncate(descriptor, self.limit)
        self._memory = mmap.mmap(descriptor, self.limit)
        whole = np.frombuffer(self._memory, np.uint8)
        self._address = whole.__array_interface__["data"][0]
        _all.add(self)

    def _take_back(self) -> None:
        while self._returned:
            offset, size = self._returned.popleft()
            self._used -= size
            at = bisect.bisect(self._free, (offset, size))
            if at < len(self._free) and self._free[at][0] == offset + size:
                size += self._free.pop(at)[1]
            if at and sum(self._free[at - 1]) == offset:
                before = self._free[at - 1]
                self._free[at - 1] = (before[0], before[1] + size)
            else:
                self._free.insert(at, (offset, size))


class Lent(NamedTuple):
    """A part of a memory that can be read by whoever has its descriptor."""

    memory: PixelMemory
    offset: int


def lent_at(address: int) -> Lent | None:
    """The part that begins at, or holds, an address of this process; None where it is no such."""
    for memory in list(_all):
        offset = memory.offset_of(address)
        if offset is not None and memory.descriptor is not None:
            return Lent(memory, offset)
    return None
