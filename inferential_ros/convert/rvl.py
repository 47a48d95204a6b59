"""RVL, the lossless compression of depth images that image_transport calls `rvl`.

After A. D. Wilson, "Fast Lossless Depth Image Compression", ISS 2017: runs of pixels without a
depth and runs with one take turns; of the latter each pixel is the zigzag of its difference to the
one before. Every number stands in nibbles of three bits, the lowest first, whose fourth bit says
that another follows; eight nibbles make a little-endian word of 32 bits, the highest first.
"""

from __future__ import annotations

import numpy as np

_MOST_NIBBLES = 10  # of a number: 30 bits, more than the run of any image


def decompress(data: bytes | memoryview, pixels: int) -> np.ndarray:
    """The depths of so many pixels, uint16 and flat; ValueError where the data is broken."""
    values = _numbers(data)
    lengths: list[int] = []
    heads: list[int] = []
    at = filled = 0
    while filled < pixels:
        if at + 1 >= len(values):
            raise ValueError(f"the RVL data ends after {filled} of {pixels} pixels")
        without, with_depth = int(values[at]), int(values[at + 1])
        lengths += without, with_depth
        heads += at, at + 1
        at += 2 + with_depth
        filled += without + with_depth
    if filled > pixels or at > len(values):
        raise ValueError(f"the RVL data holds other than {pixels} pixels")
    is_difference = np.ones(at, bool)
    is_difference[heads] = False
    zigzag = values[:at][is_difference]
    has_depth = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    depth = np.zeros(pixels, np.uint16)
    depth[has_depth] = np.cumsum((zigzag >> 1) ^ -(zigzag & 1)).astype(np.uint16)
    return depth


def _numbers(data: bytes | memoryview) -> np.ndarray:
    """All the numbers in the data, int64."""
    words = np.frombuffer(data, "<u4", len(data) // 4).astype(">u4").view(np.uint8)
    nibbles = np.stack((words >> 4, words & 15), axis=1).reshape(-1)
    ends = np.flatnonzero(nibbles < 8)
    starts = np.concatenate(([0], ends[:-1] + 1))[: len(ends)]
    lengths = ends - starts + 1
    most = int(lengths.max(initial=0))
    if most > _MOST_NIBBLES:
        raise ValueError(f"the RVL data has a number of {most} nibbles")
    numbers = (nibbles[starts] & 7).astype(np.int64)
    for index in range(1, most):
        longer = np.flatnonzero(lengths > index)
        part = (nibbles[starts[longer] + index] & 7).astype(np.int64)
        numbers[longer] |= part << 3 * index
    return numbers
