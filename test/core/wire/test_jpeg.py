"""JPEGs are decoded and made by simplejpeg as Pillow does, and by Pillow where that cannot."""

from __future__ import annotations

import io

import numpy as np
import pytest

from inferential_core import EncodedImage, WireError
from inferential_core.wire import images, jpeg
from inferential_core.wire.jpeg_halves import in_halves

pillow = pytest.importorskip("PIL.Image", reason="pillow is not installed")
simplejpeg = pytest.importorskip("simplejpeg", reason="simplejpeg is not installed")


def scene(*shape: int) -> np.ndarray:
    """Areas, edges and noise."""
    chance = np.random.default_rng(0)
    pixels = np.add.outer(np.arange(shape[0]), np.arange(shape[1]))[..., None] // 2
    pixels = np.broadcast_to(pixels.reshape(*shape[:2], *[1] * (len(shape) - 2)), shape)
    return np.clip(pixels + chance.normal(0, 8, shape), 0, 255).astype(np.uint8)


def file_of(pixels: np.ndarray, mode: str = "", **options: object) -> bytes:
    picture = pillow.fromarray(pixels)
    file = io.BytesIO()
    (picture.convert(mode) if mode else picture).save(file, "jpeg", **options)
    return file.getvalue()


@pytest.fixture
def decoded_here(monkeypatch):
    """How many files simplejpeg has decoded."""
    counted = []
    real = jpeg.decode

    def counting(*arguments):
        pixels = real(*arguments)
        if pixels is not None:
            counted.append(pixels.shape)
        return pixels

    monkeypatch.setattr(jpeg, "decode", counting)
    return counted


@pytest.mark.parametrize("shape", [(48, 64, 3), (37, 41, 3), (48, 64), (1, 1, 3)])
@pytest.mark.parametrize(
    "options", [{}, {"subsampling": 0}, {"subsampling": 1, "progressive": True}]
)
def test_the_pixels_are_those_of_pillow(shape, options, decoded_here):
    file = file_of(scene(*shape), **options)
    expected = np.asarray(pillow.open(io.BytesIO(file)))
    np.testing.assert_array_equal(images.decode(EncodedImage(file, "jpeg")), expected)
    assert decoded_here == [shape]


def test_an_image_is_decoded_into_its_place_in_an_array(decoded_here):
    batch = np.zeros((2, 48, 64, 3), np.uint8)
    image = EncodedImage(memoryview(file_of(scene(48, 64, 3))), "jpeg")
    assert images.decode(image, batch[1]) is not None
    np.testing.assert_array_equal(batch[1], images.decode(image))
    assert not batch[0].any()
    assert decoded_here


def test_what_pillow_decodes_lies_in_its_place_too(decoded_here):
    place = np.zeros((48, 64, 3), np.uint8)
    file = file_of(scene(48, 64, 3), "CMYK")
    images.decode(EncodedImage(file, "jpeg", (48, 64, 3)), place)
    expected = np.asarray(pillow.open(io.BytesIO(file)).convert("RGB"))
    np.testing.assert_array_equal(place, expected)
    assert not decoded_here


def test_a_file_with_a_fault_that_pillow_overlooks_is_decoded_all_the_same(decoded_here):
    file = file_of(scene(48, 64, 3))
    with_bytes_between = file[:-2] + b"\x01\x02\x03" + file[-2:]
    image = EncodedImage(with_bytes_between, "jpeg")
    expected = np.asarray(pillow.open(io.BytesIO(with_bytes_between)))
    np.testing.assert_array_equal(images.decode(image), expected)


@pytest.mark.parametrize("left", [0.3, 0.9])
def test_a_truncated_file_is_broken(left):
    file = file_of(scene(48, 64, 3), quality=95)
    with pytest.raises(WireError, match="broken jpeg"):
        images.decode(EncodedImage(file[: int(left * len(file))], "jpeg", (48, 64, 3)))


def test_without_simplejpeg_pillow_does_it(monkeypatch):
    monkeypatch.setattr(jpeg, "_simplejpeg", lambda: None)
    pixels = scene(48, 64, 3)
    image = images.encode("camera", pixels, "jpeg")
    expected = np.asarray(pillow.open(io.BytesIO(file_of(pixels, quality=90))))
    np.testing.assert_array_equal(images.decode(image), expected)


@pytest.mark.parametrize("shape", [(480, 640, 3), (480, 640)])
def test_a_jpeg_that_is_made_is_as_small_and_as_close_as_one_that_pillow_makes(shape):
    pixels = scene(*shape)
    image, other = images.encode("camera", pixels, "jpeg", 90), file_of(pixels, quality=90)

    def error(file: bytes) -> float:
        return float(np.abs(np.asarray(pillow.open(io.BytesIO(file))).astype(int) - pixels).mean())

    assert error(bytes(image.data)) <= 1.01 * error(other)
    assert len(image.data) <= 1.02 * len(other)


@pytest.mark.parametrize("quality", [30, 95])
@pytest.mark.parametrize(
    "shape", [(720, 1280, 3), (733, 1283, 3), (1091, 1503), (17, 30_000, 3), (16, 30_000, 3)]
)
def test_a_large_image_that_two_threads_make_has_the_pixels_of_one_made_in_one_piece(
    shape, quality, monkeypatch
):
    pixels = scene(*shape)
    made = bytes(images.encode("camera", pixels, "jpeg", quality).data)
    monkeypatch.setattr(jpeg, "_LARGE", pixels.size + 1)
    whole = bytes(images.encode("camera", pixels, "jpeg", quality).data)
    assert (b"\xff\xdd\x00\x04" in made) is (shape[0] > 16) and b"\xff\xdd\x00\x04" not in whole
    for read in (file_pixels, lambda file: images.decode(EncodedImage(file, "jpeg"))):
        np.testing.assert_array_equal(read(made), read(whole))
    assert len(made) <= len(whole) + 32


def test_an_image_of_more_blocks_than_a_header_can_tell_is_made_in_one_piece():
    pixels = np.zeros((16, 16 * 70_000, 1), np.uint8)
    encoded = []
    assert in_halves(pixels, lambda part: encoded.append(part.shape) or b"file") == b"file"
    assert encoded == [pixels.shape]


def file_pixels(file: bytes) -> np.ndarray:
    return np.asarray(pillow.open(io.BytesIO(file)))


def test_a_view_with_strides_of_its_own_can_be_sent():
    pixels = scene(48, 64, 3)
    turned = images.encode("camera", pixels[::-1, :, ::-1], "jpeg", 95)
    difference = images.decode(turned).astype(int) - pixels[::-1, :, ::-1]
    assert np.abs(difference).mean() < 10
