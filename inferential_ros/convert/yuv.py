"""Colour as luma and two colour differences -> RGB, in whole-array steps.

Encodings by their names in sensor_msgs/image_encodings.hpp. Cameras send video range, 16 to 235,
by ITU-R BT.601, as OpenCV and cv_bridge take it; the coefficients are those of BT.601-7.
"""

from __future__ import annotations

import numpy as np

# name -> where Y, U and V stand in four bytes of two pixels
PACKED = {
    "yuv422_yuy2": (0, 1, 3),
    "yuyv": (0, 1, 3),
    "yuv422": (1, 0, 2),
    "uyvy": (1, 0, 2),
}
# name -> whether U comes before V in the plane of differences, half as wide and high
PLANAR = {"nv12": True, "nv21": False}
ENCODINGS = frozenset((*PACKED, *PLANAR))  # looked up for every image


def rows_of(encoding: str, height: int) -> int:
    """Rows of bytes of an image: planes of differences follow those of luma."""
    return height + height // 2 if encoding in PLANAR else height


def row_bytes(encoding: str, width: int) -> int:
    """Bytes of a row without padding."""
    return width if encoding in PLANAR else 2 * width


def to_rgb(stored: np.ndarray, encoding: str, height: int, width: int) -> np.ndarray:
    """Rows of bytes (see `rows_of`, `row_bytes`), without padding -> H x W x 3 uint8.

    Height of planar and width of all encodings are even.
    """
    if encoding in PLANAR:
        luma = stored[:height]
        pairs = stored[height:].reshape(height // 2, width // 2, 2)
        u, v = (
            (pairs[..., 0], pairs[..., 1]) if PLANAR[encoding] else (pairs[..., 1], pairs[..., 0])
        )
        u, v = u.repeat(2, axis=0), v.repeat(2, axis=0)
    else:
        y_at, u_at, v_at = PACKED[encoding]
        luma = stored[:, y_at::2]
        u, v = stored[:, u_at::4], stored[:, v_at::4]
    # 255 / 219, times 256. What is darker than black counts as black, as in OpenCV.
    bright = (np.maximum(luma, 16).astype(np.int32) - 16) * 298 + 128
    blue = (u.astype(np.int32) - 128).repeat(2, axis=1)
    red = (v.astype(np.int32) - 128).repeat(2, axis=1)
    result = np.empty((height, width, 3), np.uint8)
    for index, part in enumerate((409 * red, -100 * blue - 208 * red, 516 * blue)):
        np.clip((bright + part) >> 8, 0, 255, out=result[..., index], casting="unsafe")
    return result
