"""Messages as bytes on a channel.

A message is the sizes of its description and of its payload, the description, and the payload. The
description holds the message's head, where its buffers lie, in which shared memory, and `notes` of
the two ends' housekeeping. It is made by marshal: both ends are the same interpreter and program,
what it carries is plain, and it is several times as fast as JSON. Nothing that a client sends is
ever unmarshalled or unpickled, only carried.
"""

from __future__ import annotations

import array
import marshal
import socket
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...wire.images import Buffer
from . import blocks
from .lending import Lending, LentPart, Piece, Reference, copied_bytes

Notes = tuple[tuple[int, ...], tuple[int, ...]]  # blocks: no longer used here, no longer kept

_SIZES = struct.Struct("<IQ")
_SHARED_FROM = 1 << 15  # bytes of a message from which on it goes through shared memory
_ALIGNED = 64


class Frame:
    """A message as bytes, of which some may be written already."""

    def __init__(
        self, parts: list[memoryview], block: blocks.Block | None, descriptors: list[int]
    ) -> None:
        self._parts = parts
        self._descriptors = descriptors  # of other memory that is new, likewise
        self._block = block  # whose descriptor goes with the first byte, if it is new

    def write(self, to: socket.socket, flags: int) -> None:
        """Write the rest; BlockingIOError if `flags` say not to wait and not all would go."""
        while self._parts:
            new = list(self._descriptors)
            if self._block is not None and self._block.descriptor is not None:
                new.insert(0, self._block.descriptor)
            rights = []
            if new:
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", new))]
            self._advance(to.sendmsg(self._parts[:64], rights, flags))

    def _advance(self, count: int) -> None:
        self.forget()
        while count and count >= len(self._parts[0]):
            count -= len(self._parts.pop(0))
        if count:
            self._parts[0] = self._parts[0][count:]

    def forget(self) -> None:
        """The descriptors are no longer needed here."""
        self._descriptors = []
        if self._block is not None:
            self._block.forget_descriptor()
            self._block = None


def pack(
    head: Any,
    buffers: Sequence[Piece],
    pool: blocks.Pool,
    mapped: blocks.Mapped,
    lending: Lending,
) -> Frame:
    """A message; large buffers are copied to a block of the pool, but for those that are lent."""
    block = None
    if copied_bytes(buffers) >= _SHARED_FROM and blocks.AVAILABLE:
        block = pool.lend(
            sum(_aligned(len(each)) for each in buffers if not isinstance(each, LentPart))
        )
    where: list[tuple[int, int] | Reference] = []
    inline: list[Buffer] = []
    descriptors: list[int] = []
    offset = 0
    for buffer in buffers:
        if isinstance(buffer, LentPart):
            where.append(lending.refer(buffer, descriptors))
            continue
        size = len(buffer)
        where.append((offset, size))
        if block is None:
            inline.append(buffer)
            offset += size
        else:
            block.bytes[offset : offset + size] = np.frombuffer(buffer, np.uint8)
            offset += _aligned(size)
    shared = None
    if block is not None:
        shared = (block.number, 0 if block.descriptor is None else block.capacity)
    notes: Notes = (mapped.collect_released(), pool.collect_dropped())
    description = marshal.dumps((head, where, shared, notes))
    sizes = _SIZES.pack(len(description), sum(map(len, inline)))
    parts = [memoryview(part) for part in (sizes + description, *inline) if len(part)]
    return Frame(parts, block, descriptors)


class Arrived(NamedTuple):
    """A message as it arrived; its buffers are yet to be found, inline or in a block."""

    head: Any
    where: list[tuple[int, int] | Reference]  # offset and size of each buffer, or a part lent
    shared: tuple[int, int] | None  # number of the block, and its capacity if it is new
    notes: Notes
    inline: memoryview


def unpack(incoming: bytearray) -> Arrived | None:
    """The first message, taken out of `incoming`; None if not all of it is there."""
    if len(incoming) < _SIZES.size:
        return None
    description_size, inline_size = _SIZES.unpack_from(incoming)
    at = _SIZES.size + description_size
    end = at + inline_size
    if len(incoming) < end:
        return None
    with memoryview(incoming) as view:
        description = bytes(view[_SIZES.size : at])
        inline = memoryview(bytes(view[at:end]))
    del incoming[:end]
    head, where, shared, notes = marshal.loads(description)
    return Arrived(head, where, shared, notes, inline)


def _aligned(size: int) -> int:
    return (size + _ALIGNED - 1) // _ALIGNED * _ALIGNED
