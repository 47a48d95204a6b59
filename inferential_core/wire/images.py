"""Images that travel compressed: the value that holds one, and its size read from its header.

Only headers are read here, a few bytes each; decoding the pixels is the business of whoever
needs them (`decode`, with simplejpeg or Pillow).
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..errors import WireError
from . import jpeg, rvl

Buffer = bytes | bytearray | memoryview

FILTERS = ("bilinear", "bicubic", "box", "lanczos", "nearest")  # of Pillow

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
_UINT8, _UINT16 = np.dtype(np.uint8), np.dtype(np.uint16)
# Start-of-frame markers of JPEG; 0xC4, 0xC8 and 0xCC are tables and extensions.
_JPEG_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))  # markers without a length


class Resizing(NamedTuple):
    """The size that decoded pixels are brought to, and the filter, one of FILTERS."""

    height: int
    width: int
    filter: str


@dataclass(frozen=True)
class EncodedImage:
    """A compressed image, which the client sends as it is.

    Args:
        data: the bytes of the JPEG or PNG file.
        encoding: "jpeg", "png", or "rvl" for depth of 16 bits, lossless, behind its columns and
            rows (uint32 each).
        shape: shape of the decoded uint8 array: (height, width, channels) in RGB order, or
            (height, width). Without it, it is read from the file's header.
        resizing: what becomes of the decoded pixels at the server, where its model asks for
            another size; it is not sent.

    Raises WireError for another encoding, and if the header cannot be read.
    """

    data: Buffer
    encoding: str
    shape: tuple[int, ...] = ()
    resizing: Resizing | None = None

    def __post_init__(self) -> None:
        if self.encoding not in ("jpeg", "png", "rvl"):
            raise WireError(f"image encoding {self.encoding!r}: use 'jpeg', 'png' or 'rvl'")
        if not self.shape:
            object.__setattr__(self, "shape", read_shape(self.data, self.encoding))

    @property
    def pixels_shape(self) -> tuple[int, ...]:
        """Of the array that `decode` gives."""
        if self.resizing is None:
            return self.shape
        return (*self.resizing[:2], *self.shape[2:])

    @property
    def dtype(self) -> np.dtype:
        """Of the decoded array: uint16 of RVL and of a PNG of 16 bits a channel, else uint8."""
        if self.encoding == "rvl":
            return _UINT16
        deep = self.encoding == "png" and bytes(self.data[24:25]) == b"\x10"
        return _UINT16 if deep else _UINT8


def read_shape(data: Buffer, encoding: str) -> tuple[int, ...]:
    """Shape of the decoded image from the header alone: (H, W) or (H, W, C)."""
    view = memoryview(data).cast("B")
    if encoding == "rvl":
        return _rvl_shape(view)
    return _png_shape(view) if encoding == "png" else _jpeg_shape(view)


def without_alpha(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of an image once its alpha channel, the last of 2 or 4, is taken off."""
    channels = {2: (), 4: (3,)}.get(shape[2]) if len(shape) == 3 else None
    return shape if channels is None else (*shape[:2], *channels)


def _rvl_shape(view: memoryview) -> tuple[int, ...]:
    try:
        return rvl.size_of(view)
    except struct.error:
        raise WireError("broken RVL: it ends before its size is told") from None


def _png_shape(view: memoryview) -> tuple[int, ...]:
    if len(view) < 26 or view[:8] != _PNG_SIGNATURE:
        raise WireError("not a PNG: its signature is missing")
    width, height, depth, colour = struct.unpack_from(">IIBB", view, 16)
    channels = _PNG_CHANNELS.get(colour, 0)
    if not channels or not (depth == 8 or (depth == 16 and channels == 1)):
        raise WireError(
            f"PNG of {depth} bits a channel, colour type {colour}:"
            " 8 bits are supported, and 16 of one channel"
        )
    return (height, width) if channels == 1 else (height, width, channels)


def _jpeg_shape(view: memoryview) -> tuple[int, ...]:
    if len(view) < 4 or view[0] != 0xFF or view[1] != 0xD8:
        raise WireError("not a JPEG: its signature is missing")
    at = 2
    while at + 10 <= len(view):  # enough for a start of frame
        if view[at] != 0xFF:
            raise WireError(f"broken JPEG: no marker at byte {at}")
        marker = view[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in _JPEG_ALONE:
            at += 2
        elif marker in _JPEG_SOF:
            height, width, channels = struct.unpack_from(">HHB", view, at + 5)
            return (height, width) if channels == 1 else (height, width, channels)
        else:
            at += 2 + struct.unpack_from(">H", view, at + 2)[0]
    raise WireError("broken JPEG: it ends before its size is told")


def decode(image: EncodedImage, out: np.ndarray | None = None) -> np.ndarray:
    """The pixels, of the image's dtype and declared shape; WireError where they do not fit.

    out: a contiguous array of that dtype and shape, which is written into and returned; what it
    holds after an error is of no use.
    An image whose declared shape has no alpha is given without it: RGB of RGBA, and H x W of
    grey with alpha, as a driver's raw images lose theirs.
    Needs Pillow (`pip install inferential[images]`), but for JPEGs where simplejpeg is installed.
    """
    stored = read_shape(image.data, image.encoding)
    opaque = image.shape == without_alpha(stored)
    if stored != image.shape and not opaque:  # before any pixel is allocated
        raise WireError(f"the image header does not say the declared shape {image.shape}")
    if image.resizing is not None:
        return _into(out, _resized(image, image.resizing, stored))
    if image.encoding == "jpeg" and stored == image.shape:
        decoded = jpeg.decode(image.data, stored, out)
        if decoded is not None:
            return decoded
    if image.encoding == "rvl":
        pixels = _decode_rvl(image)
    else:
        pixels = _decode_with_pillow(image, opaque)
    return _into(out, pixels)


def _into(out: np.ndarray | None, pixels: np.ndarray) -> np.ndarray:
    if out is None:
        return pixels
    np.copyto(out, pixels)
    return out


def _resized(image: EncodedImage, to: Resizing, stored: tuple[int, ...]) -> np.ndarray:
    """The pixels in another size; of a JPEG decoded at 1/2, 1/4 or 1/8 where that is enough."""
    pixels: np.ndarray | None = None
    if image.encoding == "jpeg" and stored == image.shape:
        pixels = jpeg.decode_small(image.data, stored, to.height, to.width)
    if pixels is None:
        pixels = decode(replace(image, resizing=None))
    if pixels.shape[:2] == to[:2]:
        return pixels
    pillow = _pillow()
    how = getattr(pillow, to.filter.upper())
    return np.asarray(pillow.fromarray(pixels).resize((to.width, to.height), how))


def _decode_rvl(image: EncodedImage) -> np.ndarray:
    try:
        return rvl.depth_of(memoryview(image.data).cast("B"))
    except ValueError as error:
        raise WireError(f"broken rvl: {error}") from None


def _decode_with_pillow(image: EncodedImage, opaque: bool) -> np.ndarray:
    pillow = _pillow()
    try:
        with pillow.open(io.BytesIO(image.data), formats=(image.encoding,)) as picture:
            if picture.mode == "P" or (opaque and picture.mode in ("RGBA", "CMYK")):
                picture = picture.convert("RGB")
            elif opaque and picture.mode == "LA":
                picture = picture.convert("L")
            pixels = np.asarray(picture)
            if picture.mode.startswith("I"):  # 16 bits, which Pillow before 10 widens
                pixels = pixels.astype(np.uint16, copy=False)
    except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError) as error:
        raise WireError(f"broken {image.encoding}: {error}") from None
    if pixels.shape != image.shape or pixels.dtype != image.dtype:
        raise WireError(f"decoded to {pixels.dtype} {pixels.shape}, declared {image.shape}")
    return pixels


def encodable(pixels: np.ndarray, encoding: str) -> bool:
    """Whether `encode` takes these pixels."""
    if pixels.dtype == np.uint16:
        return encoding in ("png", "rvl") and pixels.ndim == 2
    if encoding == "rvl":
        return False
    return pixels.dtype == np.uint8 and (pixels.ndim == 2 or pixels.shape[2:] == (3,))


def encode(key: str, pixels: np.ndarray, encoding: str, quality: int = 90) -> EncodedImage:
    """Compress uint8 pixels, H x W x 3 (RGB) or H x W, or as PNG or RVL uint16 of H x W.

    WireError names the key of others. quality: of JPEG, 1 to 95.
    Needs Pillow (`pip install inferential[images]`), or simplejpeg for a JPEG.
    """
    if not encodable(pixels, encoding):
        raise WireError(
            f"{key!r}: uint8 of H x W or H x W x 3 can be sent as jpeg or png, uint16 of H x W"
            f" as png or rvl, not {pixels.dtype} {list(pixels.shape)} as {encoding}"
        )
    if encoding == "rvl":
        return EncodedImage(rvl.file_of(pixels), encoding, pixels.shape)
    if encoding == "jpeg":
        made = jpeg.encode(pixels, quality)
        if made is not None:
            return EncodedImage(made, encoding, pixels.shape)
    file = io.BytesIO()
    options = {"quality": quality} if encoding == "jpeg" else {}
    _pillow().fromarray(pixels).save(file, encoding, **options)
    return EncodedImage(file.getvalue(), encoding, pixels.shape)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise WireError(
            "compressed images need Pillow to be made or read:"
            " pip install pillow, or inferential[images]"
        ) from None
    return Image
