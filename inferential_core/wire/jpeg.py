"""JPEG with simplejpeg, which is libjpeg-turbo: the same pixels as Pillow's, sooner.

It writes into memory that it is given, and lets go of the interpreter's lock. Where it is not
installed, or does not take a file as it is, nothing comes of it: Pillow is asked then. This module
is also sent to Ray's replicas by value: it imports numpy and, when asked to, simplejpeg.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .jpeg_halves import in_halves

_LARGE = 1 << 20  # bytes of pixels, from which on two threads are sooner than one
_missing: list[bool] = []  # whether it is known not to be installed


def decode(data: Any, shape: tuple[int, ...], out: np.ndarray | None = None) -> np.ndarray | None:
    """The pixels of a file whose header says that they are of `shape`: (H, W) or (H, W, 3), RGB.

    out: contiguous uint8 of that shape, to be written into and returned. None: it could not be
    decoded here; simplejpeg refuses also files with faults that others overlook.
    """
    module = _simplejpeg()
    if module is None or shape[2:] not in ((), (3,)):
        return None
    colours = "RGB" if shape[2:] else "GRAY"
    pixels = np.empty(shape, np.uint8) if out is None else out
    try:
        decoded = module.decode_jpeg(data, colours, buffer=pixels)
    except ValueError:
        return None
    return pixels if decoded.size == pixels.size else None


def decode_small(data: Any, shape: tuple[int, ...], height: int, width: int) -> np.ndarray | None:
    """The pixels at the smallest of 1/2, 1/4 and 1/8 that is not below this size, or all of them.

    Arguments and what is returned are otherwise those of `decode`.
    """
    module = _simplejpeg()
    if module is None or shape[2:] not in ((), (3,)):
        return None
    high, wide = shape[:2]
    least = (high, wide)
    for part in (2, 4, 8):
        small = -(-high // part), -(-wide // part)
        if small[0] >= height and small[1] >= width:
            least = small
    colours = "RGB" if shape[2:] else "GRAY"
    try:
        decoded = module.decode_jpeg(data, colours, min_height=least[0], min_width=least[1])
    except ValueError:
        return None
    pixels: np.ndarray = decoded if shape[2:] else decoded[:, :, 0]
    return pixels if pixels.shape[:2] == least else None


def encode(pixels: np.ndarray, quality: int) -> bytes | None:
    """A file of uint8 pixels, H x W x 3 (RGB) or H x W, its colours at half the resolution.

    Two cores make that of a large image.
    Below a quality of 96 libjpeg-turbo takes a quicker transform than Pillow has it take: the mean
    error is then less than a hundredth larger. None: it cannot be made here.
    """
    module = _simplejpeg()
    if module is None or not pixels.size:
        return None
    pixels = np.ascontiguousarray(pixels)
    if pixels.ndim == 2:
        pixels, colours, sampling = pixels[:, :, np.newaxis], "GRAY", "Gray"
    else:
        colours, sampling = "RGB", "420"

    def made_of(part: np.ndarray) -> bytes:
        made: bytes = module.encode_jpeg(part, quality, colours, sampling)
        return made

    if pixels.size >= _LARGE and (os.cpu_count() or 1) > 1:
        return in_halves(pixels, made_of)
    return made_of(pixels)


def _simplejpeg() -> Any:
    # No functools.cache: what that wraps is pickled by its name.
    if _missing:
        return None
    try:
        import simplejpeg
    except ImportError:
        _missing.append(True)
        return None
    return simplejpeg
