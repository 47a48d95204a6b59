"""Numbers of one dtype as another one, of which numpy's own cast makes others beyond the ends."""

from __future__ import annotations

import numpy as np

from inferential_ros.convert.registry import InputError


def exactly(values: np.ndarray, dtype: np.dtype, path: str) -> np.ndarray:
    """A copy, in C order, of values (...) of a vector as `dtype`; whole numbers are rounded.

    InputError with this path where a whole number does not fit. A float that is too large becomes
    infinite, which is for the caller to find.
    """
    if dtype.kind != "f" and values.size and not np.can_cast(values.dtype, dtype):
        least, most = (-np.inf, np.inf) if dtype.kind == "b" else _ends(dtype)
        values = np.rint(values) if values.dtype.kind == "f" else values
        for extreme in (values.min().item(), values.max().item()):
            if not least <= extreme <= most:  # nor does NaN lie between them
                raise InputError(path, f"{extreme} does not fit the dtype {dtype}")
    return np.array(values, dtype, order="C")


def saturated(pixels: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """An image as `dtype`, as OpenCV's convertTo casts it, itself where it is that already.

    Whole numbers are rounded, those beyond the ends become the nearest end, and NaN becomes 0,
    which is what depth in whole numbers says where there is none (REP 118).
    """
    if dtype.kind == "f" or np.can_cast(pixels.dtype, dtype):
        with np.errstate(over="ignore"):  # beyond float16 everything is infinitely far
            return pixels.astype(dtype, copy=False)
    least, most = _ends(dtype)
    if pixels.dtype.kind == "f":
        pixels = np.nan_to_num(np.rint(pixels.astype(np.float64)), posinf=most)
    return np.clip(pixels, least, most).astype(dtype)


def _ends(dtype: np.dtype) -> tuple[int, int]:
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)
