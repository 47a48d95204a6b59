"""Camera messages: raw images become arrays, compressed ones stay compressed.

An array is H x W x 3 RGB, H x W for one channel, or H x W x C as it is for 8UC2 and 8UC4. What
the message holds in that form already is a view of its bytes; anything else (row padding, byte
order, BGR, alpha, crop) costs one copy.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from inferential_core import EncodedImage, InferentialError
from inferential_core.wire.images import decode as decode_file
from inferential_core.wire.images import read_shape, without_alpha
from inferential_ros.convert import bayer, compressed_depth, video, yuv
from inferential_ros.convert.image_shaping import OPTIONS, Box, Shaping, read_shaping
from inferential_ros.convert.registry import Decode, InputError, formed, input_converter
from inferential_ros.options.errors import ContractError, listing, suggestion
from inferential_ros.options.yaml_values import Section, names, one_of, text

# encoding -> (dtype, channels, channels of the result in order; None: as they are)
RAW: dict[str, tuple[str, int, tuple[int, int, int] | None]] = {
    "rgb8": ("u1", 3, None),
    "bgr8": ("u1", 3, (2, 1, 0)),
    "rgba8": ("u1", 4, (0, 1, 2)),
    "bgra8": ("u1", 4, (2, 1, 0)),
    "mono8": ("u1", 1, None),
    "8UC1": ("u1", 1, None),
    "8UC2": ("u1", 2, None),
    "8UC3": ("u1", 3, None),
    "8UC4": ("u1", 4, None),
    "rgb16": ("u2", 3, None),
    "bgr16": ("u2", 3, (2, 1, 0)),
    "rgba16": ("u2", 4, (0, 1, 2)),
    "bgra16": ("u2", 4, (2, 1, 0)),
    "mono16": ("u2", 1, None),
    "16UC1": ("u2", 1, None),
    "32FC1": ("f4", 1, None),
    **{name: (kind, 1, None) for name, kind in bayer.DTYPES.items()},
    **{name: ("u1", 2, None) for name in yuv.ENCODINGS},
}
# Names of sensor_msgs/image_encodings.hpp: one that is not taken is no misspelling of another.
OF_OPENCV = re.compile(r"\d+[USF]C\d+|bayer_\w+|yuv\w+|uyvy|yuyv|nv\d+")
MARKS = {b"\xff\xd8": "jpeg", b"\x89PNG": "png"}


@input_converter("sensor_msgs/msg/Image")
def image(section: Section, message: type[Any]) -> Decode:
    """The decoder of an Image: (height, width, channels) as its encoding says, shaped as the
    section asks for; of encodings that are video, the decoder of their frames.

    Raises ContractError, which names the key, for an encoding that is unknown or an option that
    does not fit.
    """
    accepted = section.get("encodings", names, tuple(RAW))
    if any(name in video.ENCODINGS for name in accepted):
        return _video(section, accepted)
    for index, name in enumerate(accepted):
        if name not in RAW:
            hint = listing(RAW) if OF_OPENCV.fullmatch(name) else suggestion(name, RAW)
            raise ContractError(
                f"{section.at('encodings')}[{index}]", f"unknown value {name!r}; {hint}"
            )
    pattern = section.get("bayer", one_of(*bayer.METHODS), "bilinear")
    shaping = _shaping(section, accepted, pattern)
    path = section.path
    encodings_path = section.at("encodings")

    taken = {name: name in yuv.ENCODINGS for name in accepted}
    mosaics = frozenset(bayer.DTYPES)

    def decode(received: Any) -> Any:
        encoding = received.encoding
        is_yuv = taken.get(encoding)
        if is_yuv is None:
            hint = listing(accepted)  # what a driver calls its images is no misspelling
            raise InputError(
                encodings_path, f"the images are {encoding!r}, which is not taken; {hint}"
            )
        box = shaping.box(received.height, received.width)
        if is_yuv:
            array = coloured(received, path)
        elif encoding in mosaics:
            array = bayer.demosaic(native(view(received, path)), encoding, pattern)
        else:
            return shaping.shape(pixels(received, path, box), encoding)
        return shaping.shape(array[box.slices] if box else array, encoding)

    form = shaping.form(_channels(accepted, pattern), {RAW[name][0] for name in accepted})
    return formed(decode, *form, **shaping.sending)


def _video(section: Section, accepted: tuple[str, ...]) -> Decode:
    """Of images that hold packets of a video; ContractError where others may come as well."""
    others = [name for name in accepted if name not in video.ENCODINGS]
    if others:
        raise ContractError(
            section.at("encodings"), f"{others[0]!r} is a picture of its own, the others are video"
        )
    return video.video_decoder(section, video.packet_of_image)


def _shaping(section: Section, accepted: tuple[str, ...], pattern: str = "") -> Shaping:
    """The options of images of these encodings; ContractError where none can be sent so."""
    shaping = read_shaping(section)
    send = shaping.send
    if send != "raw" and not any(_sendable(name, send, pattern) for name in accepted):
        deep = ", or 16 of one channel" if send == "png" else ""
        holds = f"8 bits a channel{deep}, and one channel or three"
        if send == "rvl":
            holds = "16 bits of one channel"
        raise ContractError(
            section.at("send"),
            f"{', '.join(accepted)} cannot be sent as {send}, which holds {holds}",
        )
    return shaping


def _sendable(encoding: str, send: str, pattern: str) -> bool:
    kind, (channels,) = RAW[encoding][0], _channels((encoding,), pattern)
    if kind == "u2":
        return channels == 1 and send in ("png", "rvl")
    return kind == "u1" and channels in (1, 3) and send != "rvl"


def _channels(accepted: tuple[str, ...], pattern: str) -> set[int]:
    """Channels of the result, of all the encodings that may come."""
    coloured = yuv.ENCODINGS if pattern == "mosaic" else {*yuv.ENCODINGS, *bayer.DTYPES}
    return {3 if name in coloured or RAW[name][2] else RAW[name][1] for name in accepted}


def pixels(message: Any, path: str, box: Box | None = None) -> np.ndarray:
    """The image of a sensor_msgs/Image, or a part of it: a view of its bytes where possible."""
    _, channels, order = RAW[message.encoding]
    array = view(message, path)
    if box is not None:
        array = array[box.slices]
    if channels == 1:
        return native(array[:, :, 0])
    if order is None:
        return native(array) if array.itemsize > 1 else np.ascontiguousarray(array)
    return reordered(array, order)


def view(message: Any, path: str) -> np.ndarray:
    """H x W x channels as stored, without a copy: strided where rows are padded."""
    kind, channels, _ = RAW[message.encoding]
    swapped = bool(message.is_bigendian) != (sys.byteorder == "big")
    stored = np.dtype(kind).newbyteorder() if swapped else np.dtype(kind)
    height, width, step = message.height, message.width, message.step
    row = width * channels * stored.itemsize
    data = np.frombuffer(message.data, dtype=np.uint8)
    if step < row or data.size < (height - 1) * step + row or not height * width:
        raise InputError(
            path,
            f"{width} x {height} {message.encoding} do not fit {data.size} bytes, step {step}",
        )
    strides = (step, channels * stored.itemsize, stored.itemsize)
    return np.ndarray((height, width, channels), stored, data, 0, strides)


def coloured(message: Any, path: str) -> np.ndarray:
    """The RGB of an image of luma and colour differences."""
    encoding, height, width, step = message.encoding, message.height, message.width, message.step
    rows, row = yuv.rows_of(encoding, height), yuv.row_bytes(encoding, width)
    data = np.frombuffer(message.data, dtype=np.uint8)
    odd = width % 2 or (encoding in yuv.PLANAR and height % 2)
    if odd or step < row or not height * width or data.size < (rows - 1) * step + row:
        raise InputError(
            path, f"{width} x {height} {encoding!r} do not fit {data.size} bytes, step {step}"
        )
    stored = np.ascontiguousarray(np.ndarray((rows, row), np.uint8, data, 0, (step, 1)))
    return yuv.to_rgb(stored, encoding, height, width)


def native(array: np.ndarray) -> np.ndarray:
    """C order and this machine's byte order; itself if it is that."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def reordered(array: np.ndarray, order: tuple[int, int, int]) -> np.ndarray:
    """Three of the channels in another order: one plane after the other, which is one copy."""
    result = np.empty((*array.shape[:2], 3), dtype=array.dtype.newbyteorder("="))
    for target, source in enumerate(order):
        result[:, :, target] = array[:, :, source]
    return result


@input_converter("sensor_msgs/msg/CompressedImage")
def compressed(section: Section, message: type[Any]) -> Decode:
    """The decoder of a CompressedImage: the file as it came, or what it shows if the section asks
    for another shape; of a compressedDepth topic, its depth.

    Raises ContractError, which names the key, where an option does not fit.
    """
    path = section.at("topic")
    if not section.get("topic", text, "").endswith("/" + compressed_depth.NAME):
        if any(map(section.has, OPTIONS)):
            return _decoded_here(section, path)
        return formed(compressed_decoder(path), None, None, sent_as="file")
    shaping = _shaping(section, compressed_depth.ENCODINGS)

    def decode(received: Any) -> Any:
        encoding, depth = compressed_depth.decompress(received, path)
        box = shaping.box(*depth.shape)
        return shaping.shape(depth[box.slices] if box else depth, encoding)

    form = shaping.form({1}, {"u2", "f4"})
    return formed(decode, *form, **shaping.sending)


def _decoded_here(section: Section, path: str) -> Decode:
    """Of compressed images that are to be others than they came: decoded on the robot for it."""
    shaping = read_shaping(section)
    read = compressed_decoder(path)

    def decode(received: Any) -> Any:
        image = read(received)
        if isinstance(image, EncodedImage):
            try:
                image = decode_file(image)
            except InferentialError as error:
                raise InputError(path, str(error)) from None
        box = shaping.box(*image.shape[:2])
        encoding = "" if image.dtype == np.uint8 else "16UC1"  # depth, which no filter may mix
        return shaping.shape(np.ascontiguousarray(image[box.slices]) if box else image, encoding)

    dtype, _ = shaping.form({1, 3}, {"u1", "u2"})
    return formed(decode, dtype, None, **shaping.sending)


def compressed_decoder(path: str) -> Callable[[Any], EncodedImage | np.ndarray]:
    """Bytes as they came; the kind is read from them, because `format` is written freely.

    An alpha channel is declared away: the model gets RGB or H x W, as from a raw image. Depth
    behind the header of compressedDepth, whatever its topic is called, becomes an array.
    """

    def decode(received: Any) -> EncodedImage | np.ndarray:
        if compressed_depth.NAME in received.format:
            return compressed_depth.decompress(received, path)[1]
        data = bytes(received.data)
        for mark, encoding in MARKS.items():
            if data.startswith(mark):
                try:
                    stored = read_shape(data, encoding)
                    return EncodedImage(data, encoding, without_alpha(stored))
                except InferentialError as error:
                    raise InputError(path, str(error)) from None
        if not data:
            raise InputError(
                path,
                f"the images of format {received.format!r} are empty; as JPEG, image_transport"
                " sends nothing of a depth: its publisher's parameter format can be png",
            )
        raise InputError(path, f"format {received.format!r} is neither JPEG nor PNG")

    return decode
