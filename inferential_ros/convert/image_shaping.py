"""What a contract may ask of an image besides its pixels: crop, resize, numbers, compression.

Order: crop, resize, rotate, then `dtype`, `scale` and `offset`, or else `send`: jpeg, png or rvl.
Resizing and compressing are Pillow's work (python3-pil); its bilinear filter averages over what it
leaves out, as the training pipelines do that use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from inferential_core import EncodedImage
from inferential_core.wire.images import encodable, encode
from inferential_core.wire.limits import DEFAULT_LIMITS
from inferential_ros.convert.casting import saturated
from inferential_ros.options.errors import ContractError
from inferential_ros.options.yaml_values import (
    Section,
    boolean,
    integer,
    number,
    one_of,
    whole_positive,
)

DEPTH = ("16UC1", "32FC1", "mono16")  # no mean of two depths is a depth: nearest
OPTIONS = ("crop", "resize", "rotate", "dtype", "scale", "offset", "send", "jpeg_quality")
FILTERS = ("bilinear", "nearest", "bicubic", "box")


@dataclass(frozen=True)
class Box:
    """A part of an image, in pixels from the upper left."""

    x: int
    y: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The rows and the columns of the box, to index an image (height, width, ...)."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)


@dataclass(frozen=True)
class Size:
    """What to resize to; pad: keep the proportions, black around."""

    width: int
    height: int
    pad: bool
    filter: str | None

    def placed(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Width and height that an image is scaled to, and the black left of and above it."""
        if not self.pad:
            return self.width, self.height, 0, 0
        ratio = max(width / self.width, height / self.height)
        to_width, to_height = max(1, int(width / ratio)), max(1, int(height / ratio))
        return to_width, to_height, (self.width - to_width) // 2, (self.height - to_height) // 2


@dataclass(frozen=True)
class Geometry:
    """Which part of an image, in which size, turned clockwise by how many degrees."""

    crop: Box | None
    size: Size | None
    rotate: int


def read_geometry(section: Section) -> Geometry:
    """The keys crop, resize and rotate."""
    return Geometry(
        section.get("crop", _box, None),
        section.get("resize", _size, None),
        section.get("rotate", _quarters, 0),
    )


@dataclass(frozen=True)
class Shaping:
    """The options of one key."""

    path: str
    geometry: Geometry
    dtype: np.dtype | None
    scale: float
    offset: float
    send: str
    quality: int

    @property
    def scaled(self) -> bool:
        """Whether the numbers become others."""
        return self.scale != 1.0 or self.offset != 0.0

    @property
    def sides(self) -> tuple[int | None, int | None]:
        """Height and width of the result, None where the images decide."""
        size = self.geometry.size or self.geometry.crop
        sides = (size.height, size.width) if size else (None, None)
        return sides[::-1] if self.geometry.rotate in (90, 270) else sides

    @property
    def sending(self) -> dict[str, Any]:
        """How large the image is and how it is compressed, as a `Form` has it."""
        if self.send == "raw":
            return {"sides": self.sides}
        quality = self.quality if self.send == "jpeg" else 0
        return {"sides": self.sides, "sent_as": self.send, "quality": quality}

    def box(self, height: int, width: int) -> Box | None:
        """The part to read; InputError if the image is too small for it."""
        from inferential_ros.convert.registry import InputError

        box = self.geometry.crop
        if box and (box.x + box.width > width or box.y + box.height > height):
            raise InputError(f"{self.path}.crop", f"does not fit an image of {width} x {height}")
        return box

    def shape(self, array: np.ndarray, encoding: str) -> np.ndarray | EncodedImage:
        """The image as the model gets it."""
        size = self.geometry.size
        if size is not None and array.shape[:2] != (size.height, size.width):
            nearest = encoding in DEPTH
            array = resized(array, size, size.filter or ("nearest" if nearest else ""))
        if self.geometry.rotate:
            array = np.ascontiguousarray(np.rot90(array, -self.geometry.rotate // 90))
        if self.send != "raw":
            return self._compressed(array)
        if self.scaled:
            array = array * np.float32(self.scale) + np.float32(self.offset)
        return array if self.dtype is None else saturated(array, self.dtype)

    def _compressed(self, array: np.ndarray) -> EncodedImage:
        from inferential_ros.convert.registry import InputError

        if not encodable(array, self.send):
            of = f" of {array.shape[2]} channels" if array.ndim == 3 else ""
            raise InputError(
                f"{self.path}.send", f"{array.dtype}{of} cannot be sent as {self.send}"
            )
        return encode(self.path, array, self.send, self.quality)

    def form(
        self, channels: set[int], kinds: set[str]
    ) -> tuple[str | None, tuple[int | None, ...] | None]:
        """dtype and shape of the result, None where the images decide.

        channels, kinds: of the images that may come, kinds by numpy's names such as `u1`.
        """
        if self.dtype is not None:
            dtype: str | None = self.dtype.name
        elif self.scaled:
            dtype = "float32"
        elif self.send in ("jpeg", "rvl"):
            dtype = "uint8" if self.send == "jpeg" else "uint16"
        else:
            dtype = np.dtype(*kinds).name if len(kinds) == 1 else None
        if len(channels) != 1:
            return dtype, None
        return dtype, self.sides if channels == {1} else (*self.sides, *channels)


def read_shaping(section: Section) -> Shaping:
    """The keys crop, resize, rotate, dtype, scale, offset, send and jpeg_quality."""
    dtype = section.get("dtype", one_of("uint8", "uint16", "int32", "float16", "float32"), None)
    send = section.get("send", one_of("raw", "jpeg", "png", "rvl"), "raw")
    shaping = Shaping(
        path=section.path,
        geometry=read_geometry(section),
        dtype=np.dtype(dtype) if dtype else None,
        scale=section.get("scale", number, 1.0),
        offset=section.get("offset", number, 0.0),
        send=send,
        quality=section.get("jpeg_quality", _quality, 90),
    )
    if send != "raw":
        for key in ("dtype", "scale", "offset"):
            if section.has(key):
                kinds = {"png": "uint8 or uint16", "rvl": "uint16"}.get(send, "uint8")
                raise ContractError(section.at(key), f"an image sent as {send} is {kinds}")
    if section.has("jpeg_quality") and send != "jpeg":
        raise ContractError(section.at("jpeg_quality"), "is for send: jpeg")
    size = shaping.geometry.size
    if send not in ("raw", "rvl") or (size and size.filter != "nearest"):
        _pillow(section.at("send" if send != "raw" else "resize"))
    return shaping


def resized(array: np.ndarray, size: Size, how: str) -> np.ndarray:
    """The image in another size; `how` is one of FILTERS."""
    height, width = array.shape[:2]
    to_width, to_height, left, top = size.placed(width, height)
    if how == "nearest":
        rows = ((np.arange(to_height) + 0.5) * height / to_height).astype(np.intp)
        columns = ((np.arange(to_width) + 0.5) * width / to_width).astype(np.intp)
        small = array[rows[:, None], columns]
    else:
        small = _by_pillow(array, (to_width, to_height), how or "bilinear")
    if not size.pad:
        return small
    result = np.zeros((size.height, size.width, *array.shape[2:]), array.dtype)
    result[top : top + to_height, left : left + to_width] = small
    return result


def _by_pillow(array: np.ndarray, size: tuple[int, int], how: str) -> np.ndarray:
    from PIL import Image

    if array.dtype == np.uint16:  # Pillow averages 32 bits, and bicubic may pass over the ends
        wide = _by_pillow(array.astype(np.int32), size, how)
        return np.clip(wide, 0, 65535).astype(np.uint16)
    rgb = array.dtype == np.uint8 and array.shape[2:] == (3,)
    if array.ndim == 3 and not rgb:  # Pillow knows none, or weighs by the last: plane by plane
        planes = np.moveaxis(array, 2, 0)
        return np.stack([_by_pillow(plane, size, how) for plane in planes], axis=2)
    return np.asarray(Image.fromarray(array).resize(size, getattr(Image, how.upper())))


def _pillow(path: str) -> None:
    try:
        import PIL.Image  # noqa: F401
    except ImportError:
        raise ContractError(
            path, "needs Pillow: apt install python3-pil, or pip install pillow"
        ) from None


def _box(value: Any, path: str) -> Box:
    section = Section(value, path)
    section.only("x", "y", "width", "height")
    return Box(
        section.get("x", integer, 0),
        section.get("y", integer, 0),
        section.get("width", whole_positive),
        section.get("height", whole_positive),
    )


def _size(value: Any, path: str) -> Size:
    section = Section(value, path)
    section.only("width", "height", "pad", "filter")
    size = Size(
        section.get("width", whole_positive),
        section.get("height", whole_positive),
        section.get("pad", boolean, False),
        section.get("filter", one_of(*FILTERS), None),
    )
    if size.width * size.height > DEFAULT_LIMITS.max_image_pixels:
        raise ContractError(
            path, f"{size.width} x {size.height} pixels are more than any server takes"
        )
    return size


def _quarters(value: Any, path: str) -> int:
    if integer(value, path) not in (0, 90, 180, 270):
        raise ContractError(path, f"must be 0, 90, 180 or 270 degrees clockwise, not {value}")
    return int(value)


def _quality(value: Any, path: str) -> int:
    quality = integer(value, path)
    if not 1 <= quality <= 95:
        raise ContractError(path, f"must lie between 1 and 95, not {quality}")
    return quality
