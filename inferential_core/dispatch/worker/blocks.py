"""Memory that a server and its child process share, for arrays too large for a pipe.

A block belongs to the end that writes it. It has no name: it reaches the other end as a file
descriptor, so that whatever dies, nothing is left behind. The reader gets memory that counts its
users; once nobody uses a block any more, its number goes back to the writer.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
import weakref
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

AVAILABLE = hasattr(os, "memfd_create")

_SMALLEST = 1 << 17
_mapped: weakref.WeakSet[Mapped] = weakref.WeakSet()  # all of this process


class Block:
    """One piece of shared memory at the writer's end."""

    def __init__(self, number: int, capacity: int) -> None:
        self.number = number
        self.capacity = capacity
        self.descriptor: int | None = os.memfd_create(f"inferential-{number}", os.MFD_CLOEXEC)
        try:
            os.ftruncate(self.descriptor, capacity)
            self._memory = mmap.mmap(self.descriptor, capacity)
        except BaseException:
            self.forget_descriptor()
            raise
        self.bytes = np.frombuffer(self._memory, np.uint8)

    def forget_descriptor(self) -> None:
        """The other end has it now; the mapping lives on without it."""
        descriptor, self.descriptor = self.descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class Pool:
    """The writer's blocks: taken for a message, given back by the reader. From any thread.

    limit: bytes in all. Beyond it `lend` gives nothing, and the message goes through the socket.
    """

    def __init__(self, limit: int = 1 << 30) -> None:
        self._limit = limit
        self._free: list[Block] = []
        self._lent: dict[int, Block] = {}
        self._dropped: list[int] = []
        self._made = 0
        self._lock = threading.Lock()

    def lend(self, size: int) -> Block | None:
        """A block of at least `size` bytes, the smallest free one if one is large enough."""
        with self._lock:
            fitting = [block for block in self._free if block.capacity >= size]
            block = min(fitting, key=lambda block: block.capacity, default=None)
            if block is not None:
                self._free.remove(block)
            else:
                block = self._make(size)
            if block is not None:
                self._lent[block.number] = block
            return block

    def give_back(self, numbers: Iterable[int]) -> None:
        """Blocks that the other process does not read any more are free again."""
        with self._lock:
            for number in numbers:
                block = self._lent.pop(number, None)
                if block is not None:
                    self._free.append(block)

    def collect_dropped(self) -> tuple[int, ...]:
        """Blocks that the reader may let go of as well."""
        with self._lock:
            dropped, self._dropped = tuple(self._dropped), []
            return dropped

    def close(self) -> None:
        """Let go of all blocks, lent ones too."""
        with self._lock:
            for block in (*self._free, *self._lent.values()):
                block.forget_descriptor()
            self._free.clear()
            self._lent.clear()

    def _make(self, size: int) -> Block | None:
        capacity = max(_SMALLEST, 1 << (size - 1).bit_length())
        held = [*self._free, *self._lent.values()]
        if sum(block.capacity for block in held) + capacity > self._limit:
            for block in self._free:  # too small for this message: room for one that is not
                block.forget_descriptor()
                self._dropped.append(block.number)
            self._free.clear()
            if sum(block.capacity for block in self._lent.values()) + capacity > self._limit:
                return None
        self._made += 1
        try:
            return Block(self._made, capacity)
        except OSError:  # no memory or no descriptors left: the socket still works
            return None


class Place(NamedTuple):
    """Where an array lies that came through a channel: for a third process to read it there."""

    descriptor: int  # of this process; another one opens it as /proc/PID/fd/DESCRIPTOR
    block: int
    lease: int  # of the array: what lies there changes once that is let go of
    offset: int


def place_of(array: np.ndarray) -> Place | None:
    """The place of an array, contiguous, that `Mapped.use` gave out; None for any other."""
    address: int = array.__array_interface__["data"][0]
    for mapped in list(_mapped):
        place = mapped.place_of(address)
        if place is not None:
            return place
    return None


class Mapped:
    """The blocks of the other end. `used` hands out memory; `released` collects what is unused."""

    def __init__(self) -> None:
        self._memory: dict[int, mmap.mmap] = {}
        self._places: dict[int, tuple[int, int, int]] = {}  # address, capacity, descriptor
        self._parts: dict[int, dict[int, int]] = {}  # of memory lent in parts: offset -> number
        self.released: deque[int] = deque()  # appended to by whatever thread frees the last view

    def add(self, number: int, capacity: int, descriptor: int) -> None:
        """Map a block that the other process made, of so many bytes."""
        memory = mmap.mmap(descriptor, capacity)
        self._memory[number] = memory
        address = np.frombuffer(memory, np.uint8).__array_interface__["data"][0]
        self._places[number] = address, capacity, os.dup(descriptor)
        _mapped.add(self)

    def use(self, number: int) -> np.ndarray:
        """The block's bytes, uint8, read-only. It is released when no view of them is left."""
        # What every view of it, and view of a view, keeps alive.
        lease: np.ndarray = np.frombuffer(self._memory[number], np.uint8)
        lease.flags.writeable = False
        weakref.finalize(lease, self.released.append, number).atexit = False
        return lease

    def use_part(self, number: int, token: int, offset: int, size: int) -> np.ndarray:
        """Some of its bytes, likewise, which are released under a number of their own."""
        lease: np.ndarray = np.frombuffer(self._memory[number], np.uint8, size, offset)
        lease.flags.writeable = False
        weakref.finalize(lease, self.released.append, token).atexit = False
        self._parts.setdefault(number, {})[offset] = token
        return lease

    def collect_released(self) -> tuple[int, ...]:
        """Numbers of what nothing here refers to any more, each told once."""
        numbers = []
        with contextlib.suppress(IndexError):
            while True:
                numbers.append(self.released.popleft())
        return tuple(numbers)

    def place_of(self, address: int) -> Place | None:
        """Where in which block that address is."""
        for number, (begin, capacity, descriptor) in list(self._places.items()):
            if begin <= address < begin + capacity:
                offset = address - begin
                lease = self._parts.get(number, {}).get(offset, number)
                return Place(descriptor, number, lease, offset)
        return None

    def drop(self, numbers: Iterable[int]) -> None:
        """Unmap blocks that the other process has done away with."""
        for number in numbers:
            if self._memory.pop(number, None) is not None:
                os.close(self._places.pop(number)[2])

    def close(self) -> None:
        """Unmap all of them."""
        self.drop(list(self._memory))
