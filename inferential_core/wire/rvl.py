"""RVL, the lossless compression of depth images that image_transport calls `rvl`.

After A. D. Wilson, "Fast Lossless Depth Image Compression", ISS 2017: runs of pixels without a
depth and runs with one take turns; of the latter each pixel is the zigzag of its difference to the
one before. Every number stands in nibbles of three bits, the lowest first, whose fourth bit says
that another follows; eight nibbles make a little-endian word of 32 bits, the highest first.

This module is also sent to Ray's replicas by value: it imports numpy and the standard library.
"""

from __future__ import annotations

import struct

import numpy as np

_SIZE = "<II"  # columns and rows; no struct.Struct, which cannot be pickled
_SIZE_BYTES = 8
_MOST_NIBBLES = 10  # of a number: 30 bits, more than the run of any image


def file_of(depth: np.ndarray) -> bytes:
    """A depth image, H x W uint16, as image_transport has it: behind its columns and rows."""
    return struct.pack(_SIZE, *depth.shape[::-1]) + compress(depth)


def size_of(file: bytes | memoryview) -> tuple[int, int]:
    """Height and width of such a file; struct.error where it is too short to tell."""
    width, height = struct.unpack_from(_SIZE, file)
    return height, width


def depth_of(file: bytes | memoryview) -> np.ndarray:
    """The depth image in such a file; ValueError where the data is broken."""
    height, width = size_of(file)
    return decompress(file[_SIZE_BYTES:], height * width).reshape(height, width)


def compress(depth: np.ndarray) -> bytes:
    """The data of a depth image, uint16."""
    flat = np.concatenate(([0], depth.reshape(-1), [0])).astype(np.int64)
    edges = np.flatnonzero(np.diff(flat != 0))  # where runs begin and end
    starts, ends = edges[0::2], edges[1::2]
    without = starts - np.concatenate(([0], ends[:-1]))[: len(starts)]
    last = depth.size - (int(ends[-1]) if len(ends) else 0)
    runs = np.stack((without, ends - starts), axis=1).reshape(-1)
    values = flat[flat != 0]
    steps = np.diff(values, prepend=0)
    zigzag = (steps << 1) ^ (steps >> 63)
    before = np.concatenate(([0], np.cumsum(ends - starts)))[:-1]
    heads = (2 * np.arange(len(starts)) + before)[:, None] + [0, 1]
    numbers = np.empty(len(runs) + len(values), np.int64)
    is_head = np.zeros(len(numbers), bool)
    is_head[heads.reshape(-1)] = True
    numbers[is_head] = runs
    numbers[~is_head] = zigzag
    return _written(np.concatenate((numbers, [last, 0])) if last or not len(runs) else numbers)


def _written(numbers: np.ndarray) -> bytes:
    """The numbers in nibbles, in words."""
    lengths = np.ones(len(numbers), np.int64)
    for index in range(1, _MOST_NIBBLES):
        longer = numbers >= 1 << 3 * index
        if not longer.any():
            break
        lengths += longer
    ends = np.cumsum(lengths)
    nibbles = np.zeros(-(-int(ends[-1]) // 8) * 8, np.uint8)
    starts = ends - lengths
    for index in range(int(lengths.max())):
        chosen = np.flatnonzero(lengths > index)
        part = (numbers[chosen] >> 3 * index) & 7
        nibbles[starts[chosen] + index] = part | np.where(lengths[chosen] > index + 1, 8, 0)
    pairs = nibbles[0::2] << 4 | nibbles[1::2]
    return pairs.view(">u4").astype("<u4").tobytes()


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
