"""Parts of memory that is shared already, which a message only refers to: nothing is copied.

Images that were decoded lie in such memory (`decoding.memory`). The other end is handed its
descriptor with the first part of it. Each part has a number of its own, below zero, by which the
other end says that it no longer reads it; until then the part is kept as it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ...decoding.memory import PixelMemory, lent_at
from ...wire.images import Buffer

_LARGE = 1 << 14  # bytes: copying less costs no more than a reference


class LentPart(NamedTuple):
    """A part that a message refers to, in the place of a buffer."""

    memory: PixelMemory
    offset: int
    array: np.ndarray

    @classmethod
    def of(cls, array: np.ndarray) -> LentPart | None:
        """Where a contiguous array lies in memory of this kind; None where it does not."""
        if array.nbytes < _LARGE:
            return None
        lent = lent_at(array.__array_interface__["data"][0])
        return None if lent is None else cls(lent.memory, lent.offset, array)


Piece = Buffer | LentPart

# Of a part in a message: offset, size, number of the memory, its size if it is new there, and the
# part's own number.
Reference = tuple[int, int, int, int, int]


class Lending:
    """What one channel has lent. From any thread."""

    def __init__(self) -> None:
        self._tokens = itertools.count(-1, -1)
        self._lent: dict[int, np.ndarray] = {}
        self._known: set[int] = set()  # memories whose descriptor the other end has

    def refer(self, part: LentPart, descriptors: list[int]) -> Reference:
        """Lend a part; the descriptor to be sent with it, if any, is appended."""
        memory, capacity = part.memory, 0
        if memory.number not in self._known and memory.descriptor is not None:
            self._known.add(memory.number)
            descriptors.append(memory.descriptor)
            capacity = memory.limit
        token = next(self._tokens)
        self._lent[token] = part.array
        return part.offset, part.array.nbytes, -memory.number, capacity, token

    def give_back(self, tokens: Iterable[int]) -> None:
        """The other end no longer reads these; numbers that are none of its own are left."""
        for token in tokens:
            self._lent.pop(token, None)

    def close(self) -> None:
        """There is no other end any more."""
        self._lent.clear()


def copied_bytes(pieces: Iterable[Piece]) -> int:
    """Bytes of the pieces that a message does not only refer to."""
    return sum(0 if isinstance(piece, LentPart) else len(piece) for piece in pieces)
