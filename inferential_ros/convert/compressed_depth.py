"""Depth as image_transport's compressedDepth sends it, decoded on the robot.

Twelve bytes stand before the picture: an int32 that nobody reads, and two float32, A and B. The
picture is a PNG of 16 bits, or RVL behind its columns and rows (uint32 each). 16UC1 is in it as it
is; of 32FC1 it holds the quantized inverse: depth = A / (stored - B), and 0 where there is none.
Source: compressed_depth_image_transport of ros-perception/image_transport_plugins.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

from inferential_core import EncodedImage, InferentialError
from inferential_core.wire import rvl
from inferential_core.wire.images import decode
from inferential_core.wire.limits import DEFAULT_LIMITS
from inferential_ros.convert.registry import InputError

NAME = "compressedDepth"
ENCODINGS = ("16UC1", "mono16", "32FC1")
_PARAMETERS = struct.Struct("<iff")


def decompress(received: Any, path: str) -> tuple[str, np.ndarray]:
    """Encoding and depth, H x W: uint16 as it was, or float32 in m with NaN where there is none.

    received: a CompressedImage. InputError with this path says what is wrong with it.
    """
    encoding, _, how = (part.strip() for part in received.format.partition(";"))
    kind = how.removeprefix(NAME).strip() or "png"  # older ones know nothing else and do not say
    if encoding not in ENCODINGS or kind not in ("png", "rvl"):
        raise InputError(
            path,
            f"compressedDepth of format {received.format!r} is not taken;"
            f" {', '.join(ENCODINGS)} as png or rvl are",
        )
    data = bytes(received.data)
    try:
        stored = _stored(data[_PARAMETERS.size :], kind)
        if encoding != "32FC1":
            return encoding, stored
        return encoding, _metres(stored, *_PARAMETERS.unpack_from(data)[1:])
    except (InferentialError, ValueError, struct.error) as error:
        raise InputError(path, f"broken compressedDepth of {len(data)} bytes: {error}") from None


def _stored(data: bytes, kind: str) -> np.ndarray:
    """The picture's numbers, H x W uint16; ValueError, WireError or struct.error if broken."""
    image = EncodedImage(data, "png") if kind == "png" else None
    height, width = image.shape[:2] if image else rvl.size_of(data)
    if not 0 < height * width <= DEFAULT_LIMITS.max_image_pixels:  # before they are allocated
        raise ValueError(f"an image of {width} x {height} pixels")
    if image is None:
        return rvl.depth_of(data)
    if image.dtype != np.uint16:
        raise ValueError("its PNG does not have 16 bits")
    return decode(image)


def _metres(stored: np.ndarray, a: float, b: float) -> np.ndarray:
    if not (0.0 < a < math.inf and math.isfinite(b)):
        raise ValueError(f"its quantization has the parameters {a} and {b}")
    with np.errstate(divide="ignore"):
        depth = np.float32(a) / (stored.astype(np.float32) - np.float32(b))
    depth[stored == 0] = np.nan
    return depth
