"""Reading a neighbour's shared memory in a replica. Sent to the replicas by value.

What a server's driver has in shared memory already need not pass through gRPC or Ray's object
store to a replica on the same machine: it is told where it lies, and the model reads it there.
The driver keeps the memory as it is until it is told that nothing here refers to it any more.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import weakref
from collections import Counter, OrderedDict, deque
from typing import Any

import numpy as np

# Of an array in the memory of another process: its id, when it was started (clock ticks), its
# descriptor of the block, numbers of the block and of the lease, offset and size in bytes, dtype,
# shape.
Shared = tuple[int, int, int, int, int, int, int, Any, tuple[int, ...]]

# What is kept until nothing refers to it: of which process, when that was started, numbers of the
# block and of the lease. A block of many images has a lease for each.
Block = tuple[int, int, int, int]

_MOST_MAPPED = 32


def started(pid: int) -> int:
    """When a process was started, which tells it from later ones with its id; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0


class Neighbours:
    """The blocks of other processes that are read here."""

    def __init__(self) -> None:
        self._mapped: OrderedDict[tuple[int, int, int], mmap.mmap] = OrderedDict()
        self._used: Counter[Block] = Counter()  # arrays handed out of each
        self._let_go: deque[Block] = deque()  # appended to by whatever thread frees an array

    def read(self, shared: Shared) -> np.ndarray:
        """The array, read-only; OSError if its owner is not on this machine, or gone."""
        pid, since, descriptor, number, lease_number, offset, size, dtype, shape = shared
        block = (pid, since, number, lease_number)
        memory = self._mapped.get(block[:3])
        if memory is None:
            memory = self._mapped[block[:3]] = self._map(pid, since, descriptor)
            self._unmap_unused()
        # What every view of it, and view of a view, keeps alive.
        lease = np.frombuffer(memory, np.uint8, size, offset)
        weakref.finalize(lease, self._let_go.append, block).atexit = False
        self._used[block] += 1
        return lease.view(dtype).reshape(shape)

    def kept(self) -> list[Block]:
        """The blocks that something here still refers to."""
        with contextlib.suppress(IndexError):
            while True:
                self._used[self._let_go.popleft()] -= 1
        self._used = +self._used  # those above zero
        return list(self._used)

    def _unmap_unused(self) -> None:
        used = {block[:3] for block, count in self._used.items() if count > 0}
        for block in list(self._mapped)[:-_MOST_MAPPED]:
            if block not in used:
                del self._mapped[block]

    @staticmethod
    def _map(pid: int, since: int, descriptor: int) -> mmap.mmap:
        if started(pid) != since:
            raise ProcessLookupError(f"process {pid} is not on this machine")
        opened = os.open(f"/proc/{pid}/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return mmap.mmap(opened, 0, mmap.MAP_SHARED, mmap.PROT_READ)
        finally:
            os.close(opened)


def is_near(probe: tuple[Any, ...], token: bytes) -> bool:
    """Whether this process can read what the other one wrote."""
    try:
        return Neighbours().read(probe).tobytes() == token
    except Exception:
        return False
