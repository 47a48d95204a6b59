"""The size in the header of a JPEG, PNG or RVL, and decoding the pixels: a shape or a WireError.

The first byte of an input says which of them; the rest is the file.
"""

from __future__ import annotations

import io
import random

import numpy as np

from inferential_core.errors import WireError
from inferential_core.wire import rvl
from inferential_core.wire.images import EncodedImage, decode, read_shape

ENCODINGS = ("jpeg", "png", "rvl")
DECODED_UP_TO = 100_000  # pixels: more only takes longer
MARKERS = (0x00, 0x01, 0xC0, 0xC2, 0xC4, 0xCC, 0xD0, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xE0, 0xFF)


def seeds() -> list[bytes]:
    from PIL import Image

    made = []
    for mode, shape in (("RGB", (8, 12, 3)), ("L", (8, 12)), ("RGBA", (4, 4, 4)), ("P", (4, 4))):
        picture = Image.fromarray(np.arange(np.prod(shape), dtype=np.uint8).reshape(shape))
        picture = picture.convert(mode)
        for kind, encoding in enumerate(ENCODINGS[:2]):
            if encoding == "jpeg" and mode in ("RGBA", "P"):
                continue
            file = io.BytesIO()
            picture.save(file, encoding)
            made.append(bytes([kind]) + file.getvalue())
    depth = np.array([[0, 0, 900, 905], [65535, 1, 0, 0], [700, 700, 0, 3]], np.uint16)
    return [*made, b"\x02" + rvl.file_of(depth), b"\x02" + rvl.file_of(0 * depth)]


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Markers and lengths where random bytes seldom make one."""
    out = bytearray(data)
    at = chance.randrange(1, len(out)) if len(out) > 1 else len(out)
    if chance.random() < 0.5:
        out[at:at] = bytes([0xFF, chance.choice(MARKERS)])
    else:
        out[at : at + 2] = chance.choice((0, 1, 2, 3, 17, 0x7FFF, 0xFFFF)).to_bytes(2, "big")
    return bytes(out)


def check(data: bytes) -> None:
    encoding, content = ENCODINGS[data[0] % 3 if data else 0], data[1:]
    try:
        shape = read_shape(content, encoding)
    except WireError as error:
        assert str(error)
        return
    assert 2 <= len(shape) <= 3 and all(0 <= size < 1 << 32 for size in shape), shape
    if shape[0] * shape[1] > DECODED_UP_TO:
        return
    image = EncodedImage(content, encoding, shape)
    try:
        pixels = decode(image)
    except WireError as error:
        assert str(error)
        return
    assert pixels.dtype == image.dtype and pixels.shape == shape
