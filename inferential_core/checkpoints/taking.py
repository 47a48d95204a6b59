"""What a network takes of an observation: inputs in their dtype, pictures in their size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import ConfigError, UsageError

Arrays = Mapping[str, Any]

# What robots may send for an input of a dtype that they have seldom, or that no message carries.
_SENT_AS = {
    "float64": ["float64", "float32"],
    "float16": ["float16", "float32"],
    "int64": ["int64", "int32"],
    "int16": "int32",
    "int8": "int32",
    "uint32": "int64",
    "uint64": "int64",
}
_COLOURS = (1, 3)  # channels of a picture


class Input(NamedTuple):
    """One input of a network.

    dtype: '' if not known. shape: None for a size that is open; None itself: not known. picture:
    whether the observation has what a camera gives, (H, W, C) uint8 of any size. optional: whether
    the network does without it.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None
    picture: bool = False
    optional: bool = False


class _Picture(NamedTuple):
    """How a network has a picture; None for a size that is open."""

    first: bool  # whether the channels come first
    channels: int
    height: int | None
    width: int | None


def with_pictures(inputs: Sequence[Input], names: Sequence[str]) -> list[Input]:
    """The inputs of which those are pictures; ConfigError names one that cannot be."""
    for name in names:
        found = next((each for each in inputs if each.name == name), None)
        if found is None:
            known = ", ".join(each.name for each in inputs)
            raise ConfigError(f"option images={name}: the network has no such input, but {known}")
        if _picture(found) is None:
            raise ConfigError(
                f"option images={name}: its shape {list(found.shape or ())} is none of a batch of"
                " pictures, (B, C, H, W) or (B, H, W, C)"
            )
    return [each._replace(picture=each.name in names) for each in inputs]


def entry_of(one: Input, skipped: int) -> dict[str, Any]:
    """What a specification says of an input. skipped: axes in front of an observation's own."""
    picture = _picture(one) if one.picture else None
    if picture is not None:
        entry: dict[str, Any] = {"dtype": "uint8", "shape": [None, None, picture.channels]}
        if picture.height and picture.width:
            entry["description"] = f"resized to {picture.height} x {picture.width}"
        return entry
    entry = {"dtype": _SENT_AS.get(one.dtype, one.dtype)} if one.dtype else {}
    if one.optional:
        entry["optional"] = True
    if one.shape and one.dtype != "string":  # of none, nobody knows whether it is a scalar
        entry["shape"] = list(one.shape[skipped:])
    return entry


def looks_like_a_picture(one: Input) -> bool:
    """Whether robots cannot send it as their cameras have it, but for the option `images`."""
    picture = None if one.picture else _picture(one)
    return picture is not None and (picture.first or one.dtype != "uint8")


def taken(inputs: Sequence[Input], observation: Arrays) -> dict[str, Any]:
    """The inputs' values; UsageError names one that is missing or does not fit."""
    found: dict[str, Any] = {}
    for one in inputs:
        if one.name not in observation:
            if one.optional:
                continue
            raise UsageError(f"the network takes {one.name!r}, which the observation has not")
        value = observation[one.name]
        if one.picture:
            value = _as_taken(one, np.asarray(value))
        elif not isinstance(value, str):
            value = _cast(one, np.asarray(value))
        found[one.name] = value
    return found


def _cast(one: Input, value: np.ndarray) -> np.ndarray:
    if not one.dtype or value.dtype == one.dtype:
        return value
    cast = value.astype(one.dtype)
    if cast.dtype.kind in "iu" and not np.array_equal(cast, value):
        raise UsageError(f"{one.name!r}: a value is no {one.dtype}, which the network takes")
    return cast


def _picture(one: Input) -> _Picture | None:
    """How the network has a batch of pictures; None if it can be none."""
    shape = one.shape
    if shape is None or len(shape) != 4:
        return None
    _, *sizes = shape
    if sizes[0] in _COLOURS and sizes[2] not in _COLOURS:
        return _Picture(True, int(sizes[0] or 0), sizes[1], sizes[2])
    if sizes[2] in _COLOURS:
        return _Picture(False, int(sizes[2] or 0), sizes[0], sizes[1])
    return None


def _as_taken(one: Input, pixels: np.ndarray) -> np.ndarray:
    """(H, W, C) uint8 in the size, order of axes and range (floats: 0 to 1) of an input."""
    picture = _picture(one)
    assert picture is not None
    if pixels.ndim != 3 or pixels.dtype != np.uint8:
        raise UsageError(f"{one.name!r}: {pixels.dtype} {pixels.shape} is no picture of a camera")
    height, width = picture.height or pixels.shape[0], picture.width or pixels.shape[1]
    made = _resized(pixels, height, width)
    made = made.astype(one.dtype) if one.dtype == "uint8" else (made / 255.0).astype(one.dtype)
    return np.ascontiguousarray(made.transpose(2, 0, 1)) if picture.first else made


def _resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear, without antialiasing, rounded to whole values: as PyTorch resizes uint8."""
    if pixels.shape[:2] == (height, width):
        return pixels
    rows, columns = _places(pixels.shape[0], height), _places(pixels.shape[1], width)
    lines = _between(pixels.astype(np.float32), rows, 0)
    made: np.ndarray = np.rint(_between(lines, columns, 1)).astype(np.uint8)
    return made


def _places(size: int, wanted: int) -> np.ndarray:
    """Where the middles of the wanted pixels lie among those there are (align_corners=False)."""
    places = (np.arange(wanted, dtype=np.float32) + 0.5) * (size / wanted) - 0.5
    clipped: np.ndarray = np.clip(places, 0.0, size - 1.0)
    return clipped


def _between(values: np.ndarray, places: np.ndarray, axis: int) -> np.ndarray:
    below = places.astype(np.intp)
    above = np.minimum(below + 1, values.shape[axis] - 1)
    share = (places - below).reshape([-1 if at == axis else 1 for at in range(values.ndim)])
    low, high = values.take(below, axis), values.take(above, axis)
    between: np.ndarray = low + (high - low) * share
    return between
