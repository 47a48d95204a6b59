"""Makes one JPEG of two halves of an image that are compressed at the same time, on two cores.

Behind a restart marker nothing depends on the code before it (ITU-T T.81, E.1.4). So the code of
the upper half, a marker and the code of the lower half are the code of the whole image, whose
header tells the height of both and how much lies between two markers. The pixels are those of a
file that was made in one piece. This module is also sent to Ray's replicas by value: it imports
numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

_FRAME, _SCAN = 0xC0, 0xDA  # markers of the size, and of what the code follows
_INTERVAL = b"\xff\xdd\x00\x04"  # begins the segment that tells it
_RESTART = b"\xff\xd0"
_ENDING = 2  # bytes of the marker that ends a file
_ROWS = 16  # of the blocks of an image whose colours have half its resolution
_MOST = 0xFFFF  # blocks that can lie between two markers


def in_halves(pixels: np.ndarray, encode: Callable[[np.ndarray], bytes]) -> bytes:
    """The file of uint8 pixels, H x W x 3 or H x W x 1; made in one piece where halves cannot be.

    encode: makes a baseline JPEG with the usual tables of such pixels, colours at half the
    resolution, and lets go of the interpreter's lock meanwhile. It is called on two threads.
    """
    height, width, channels = pixels.shape
    middle = -(-height // (2 * _ROWS)) * _ROWS  # no part may be longer than the first one
    block = _ROWS if channels > 1 else _ROWS // 2
    blocks = middle // block * -(-width // block)
    if middle >= height or blocks > _MOST:
        return encode(pixels)
    with ThreadPoolExecutor(1) as beside:
        lower = beside.submit(encode, pixels[middle:])
        upper = encode(pixels[:middle])
    return _joined(upper, lower.result(), height, blocks)


def _joined(upper: bytes, lower: bytes, height: int, blocks: int) -> bytes:
    """One file of two, of which the upper one has so many blocks."""
    starts, below = dict(_segments(upper)), dict(_segments(lower))
    scan = starts[_SCAN]
    header = bytearray(upper[:scan])
    at = starts[_FRAME] + 5
    header[at : at + 2] = height.to_bytes(2, "big")
    interval = _INTERVAL + blocks.to_bytes(2, "big")
    code = below[_SCAN] + _length(lower, below[_SCAN])
    return b"".join((header, interval, upper[scan:-_ENDING], _RESTART, lower[code:]))


def _segments(file: bytes) -> Iterator[tuple[int, int]]:
    """The marker of each segment of a header, and where it begins; the scan's is the last."""
    at, marker = 2, 0
    while marker != _SCAN:
        marker = file[at + 1]
        yield marker, at
        at += _length(file, at)


def _length(file: bytes, at: int) -> int:
    """Of the segment that begins there, its marker included."""
    return 2 + int.from_bytes(file[at + 2 : at + 4], "big")
