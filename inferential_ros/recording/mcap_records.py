"""The records of MCAP as bytes: where they lie, and which of them are messages.

The format: https://mcap.dev/spec. What a record holds beside messages is decoded by the package
`mcap`.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import lz4.frame
import numpy as np
import zstandard
from mcap.exceptions import McapError, UnsupportedCompressionError
from mcap.opcode import Opcode
from mcap.records import Chunk

from inferential_ros.recording.storage import ENTRY, Entry

PREFIX = struct.Struct("<BQ")  # of every record: opcode, length of what follows
MESSAGE = struct.Struct("<HIqq")  # channel, sequence, log time, publish time; then the data
INDEX = struct.Struct("<HI")  # channel, bytes of the (time, offset) pairs that follow
PAIR = np.dtype([("time_ns", "<i8"), ("offset", "<i8")])
# What the decoders raise for bytes that are not what the format says.
DAMAGE = (
    McapError,
    struct.error,
    ValueError,
    RuntimeError,
    OverflowError,
    MemoryError,
    zstandard.ZstdError,
)


class Record(NamedTuple):
    """One record where it lies; start: of its content."""

    opcode: int
    start: int
    length: int


def records(data: bytes, position: int) -> Iterator[Record]:
    """The records that lie one after the other; nothing after one that is not whole."""
    while 0 <= position <= len(data) - PREFIX.size:
        opcode, length = PREFIX.unpack_from(data, position)
        start = position + PREFIX.size
        if start + length > len(data):
            return
        yield Record(opcode, start, length)
        position = start + length


def decompressed(chunk: Chunk) -> bytes:
    """The records of a chunk; one of DAMAGE where they are not as long as the chunk says.

    zstd and lz4 both allow several frames one after the other, as parallel compressors such as
    pzstd make them (RFC 8878, section 3.1; lz4_Frame_format.md). The readers of the package `mcap`
    1.6.0 stop after the first one without an error.
    """
    if not chunk.compression:
        return chunk.data
    packed = io.BytesIO(chunk.data)
    if chunk.compression == "zstd":
        frames = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
    elif chunk.compression == "lz4":
        frames = lz4.frame.open(packed)
    else:
        raise UnsupportedCompressionError(chunk.compression)
    data: bytes = frames.read()
    if len(data) != chunk.uncompressed_size:
        raise ValueError(f"it holds {len(data)} bytes, not the {chunk.uncompressed_size} it names")
    return data


def is_message(data: bytes, record: Record, entry: Entry) -> bool:
    """Whether a record is the message that the index said it is."""
    if record.opcode != Opcode.MESSAGE or record.length < MESSAGE.size:
        return False
    channel, _, time_ns, _ = MESSAGE.unpack_from(data, record.start)
    return bool((channel, time_ns) == (entry.channel, entry.time_ns))


def entries_of(channel: int, block: int, pairs: np.ndarray[Any, Any]) -> np.ndarray:
    """Those of one channel in one chunk, from the pairs of a message index."""
    made = np.zeros(len(pairs), ENTRY)
    made["time_ns"], made["offset"] = pairs["time_ns"], pairs["offset"]
    made["channel"], made["block"] = channel, block
    return made
