"""Camera messages: raw images become arrays without a copy, compressed ones stay compressed.

An array is H x W x 3 RGB, or H x W for one channel. Only bgr8 and rgba8 need their bytes moved,
by one strided numpy copy.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from inferential_core import EncodedImage, InferentialError
from inferential_ros.contract.errors import suggestion
from inferential_ros.contract.reading import Section, names
from inferential_ros.convert.registry import Decode, InputError, input_converter

# encoding -> (dtype, channels, channels of the result in order; None: as they are)
RAW: dict[str, tuple[str, int, tuple[int, int, int] | None]] = {
    "rgb8": ("u1", 3, None),
    "bgr8": ("u1", 3, (2, 1, 0)),
    "rgba8": ("u1", 4, (0, 1, 2)),
    "bgra8": ("u1", 4, (2, 1, 0)),
    "mono8": ("u1", 1, None),
    "8UC1": ("u1", 1, None),
    "8UC3": ("u1", 3, None),
    "mono16": ("u2", 1, None),
    "16UC1": ("u2", 1, None),
    "32FC1": ("f4", 1, None),
}
MARKS = {b"\xff\xd8": "jpeg", b"\x89PNG": "png"}
# The wire has no unsigned 16-bit type; int32 holds every value of a depth image.
WIDEN = {np.dtype("u2"): np.dtype("i4")}


@input_converter("sensor_msgs/msg/Image")
def image(section: Section, message: type[Any]) -> Decode:
    accepted = section.get("encodings", names, tuple(RAW))
    path = section.path
    encodings_path = section.at("encodings")

    def decode(received: Any) -> np.ndarray:
        if received.encoding not in RAW or received.encoding not in accepted:
            hint = suggestion(received.encoding, accepted)
            raise InputError(
                encodings_path, f"the images are {received.encoding!r}, which is not taken; {hint}"
            )
        return pixels(received, path)

    return decode


def pixels(message: Any, path: str) -> np.ndarray:
    """The image of a sensor_msgs/Image; a view of its bytes wherever that is possible."""
    kind, channels, order = RAW[message.encoding]
    swapped = bool(message.is_bigendian) != (sys.byteorder == "big")
    stored = np.dtype(kind).newbyteorder() if swapped else np.dtype(kind)
    height, width, step = message.height, message.width, message.step
    row = width * channels * stored.itemsize
    data = np.frombuffer(message.data, dtype=np.uint8)
    if step < row or data.size < height * step or not data.size:
        raise InputError(
            path,
            f"{width} x {height} {message.encoding} do not fit {data.size} bytes, step {step}",
        )
    rows = data[: height * step].reshape(height, step)[:, :row]
    array = np.ascontiguousarray(rows).view(stored).reshape(height, width, channels)
    if channels == 1:
        array = array[:, :, 0]
    if order is not None:
        array = np.ascontiguousarray(array[:, :, list(order)])
    native = array.dtype.newbyteorder("=")
    return np.ascontiguousarray(array, dtype=WIDEN.get(native, native))


@input_converter("sensor_msgs/msg/CompressedImage")
def compressed(section: Section, message: type[Any]) -> Decode:
    return compressed_decoder(section.at("topic"))


def compressed_decoder(path: str) -> Callable[[Any], EncodedImage]:
    """Bytes as they came; the kind is read from them, because `format` is written freely."""

    def decode(received: Any) -> EncodedImage:
        data = bytes(received.data)
        for mark, encoding in MARKS.items():
            if data.startswith(mark):
                try:
                    return EncodedImage(data=data, encoding=encoding)
                except InferentialError as error:
                    raise InputError(path, str(error)) from None
        raise InputError(path, f"format {received.format!r} is neither JPEG nor PNG")

    return decode
