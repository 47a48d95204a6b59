"""What a contract may ask of images: mosaics, crop, size, numbers, compression."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from converting import decoder
from sensor_msgs.msg import CompressedImage, Image

from inferential_core import EncodedImage
from inferential_core.wire.images import decode
from inferential_ros.convert import InputError
from inferential_ros.convert.registry import form_of
from inferential_ros.options.errors import ContractError

IMAGE = "sensor_msgs/msg/Image"
RED, GREEN, BLUE = 10, 100, 200


def message(array: np.ndarray, encoding: str, pad: int = 0, big: bool = False) -> Image:
    stored = array.astype(array.dtype.newbyteorder(">" if big else "<"))
    rows = np.frombuffer(stored.tobytes(), np.uint8).reshape(len(array), -1)
    padded = np.pad(rows, ((0, 0), (0, pad)), constant_values=7)
    return Image(
        height=array.shape[0],
        width=array.shape[1],
        encoding=encoding,
        is_bigendian=big,
        step=padded.shape[1],
        data=padded.tobytes(),
    )


def mosaic(cell: str, height: int = 6, width: int = 8, dtype: Any = np.uint8) -> np.ndarray:
    """A picture of one colour through a filter."""
    colour = {"r": RED, "g": GREEN, "b": BLUE}
    tile = np.array([colour[letter] for letter in cell], dtype).reshape(2, 2)
    return np.tile(tile, (height // 2, width // 2))


@pytest.mark.parametrize("cell", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("pad", [0, 3])
def test_a_mosaic_of_one_colour_gives_that_colour_everywhere(cell: str, pad: int) -> None:
    full = decoder(IMAGE)(message(mosaic(cell), f"bayer_{cell}8", pad))
    assert full.shape == (6, 8, 3) and full.dtype == np.uint8
    assert (full == [RED, GREEN, BLUE]).all()
    half = decoder(IMAGE, bayer="half")(message(mosaic(cell), f"bayer_{cell}8", pad))
    assert half.shape == (3, 4, 3) and (half == [RED, GREEN, BLUE]).all()
    raw = decoder(IMAGE, bayer="mosaic")(message(mosaic(cell), f"bayer_{cell}8", pad))
    np.testing.assert_array_equal(raw, mosaic(cell))


def test_a_mosaic_is_interpolated_between_its_neighbours() -> None:
    plane = np.arange(16, dtype=np.uint8).reshape(4, 4) * 10  # rggb
    result = decoder(IMAGE)(message(plane, "bayer_rggb8"))
    #   0  10  20  30      r g r g
    #  40  50  60  70      g b g b
    #  80  90 100 110      r g r g
    assert result[2, 2].tolist() == [100, (60 + 90 + 110 + 140) // 4, (50 + 70 + 130 + 150) // 4]
    assert result[1, 2].tolist() == [(20 + 100) // 2, 60, (50 + 70) // 2]
    assert result[1, 1].tolist() == [(0 + 20 + 80 + 100) // 4, (40 + 60 + 10 + 90) // 4, 50]


@pytest.mark.parametrize("big", [False, True])
def test_a_mosaic_of_16_bits_keeps_its_values(big: bool) -> None:
    plane = mosaic("rggb", dtype=np.uint16) * 300
    result = decoder(IMAGE)(message(plane, "bayer_rggb16", big=big))
    assert result.dtype == np.uint16
    assert (result == [RED * 300, GREEN * 300, BLUE * 300]).all()


@pytest.mark.parametrize("how", ["bilinear", "bicubic", "box", "nearest"])
def test_a_mosaic_of_16_bits_is_resized_as_its_values_are(how: str) -> None:
    pytest.importorskip("PIL.Image", reason="pillow is not installed")
    plane = mosaic("rggb", dtype=np.uint16) * 300
    options = {"width": 4, "height": 3, "filter": how}
    result = decoder(IMAGE, resize=options)(message(plane, "bayer_rggb16"))
    assert result.shape == (3, 4, 3) and result.dtype == np.uint16
    assert (result == [RED * 300, GREEN * 300, BLUE * 300]).all()


PICTURE = np.random.default_rng(1).integers(0, 256, (12, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8"])
@pytest.mark.parametrize("pad", [0, 5])
def test_a_crop_is_a_part_of_the_picture(encoding: str, pad: int) -> None:
    stored = PICTURE if encoding == "rgb8" else PICTURE[:, :, ::-1]
    decode = decoder(IMAGE, crop={"x": 3, "y": 2, "width": 8, "height": 6})
    result = decode(message(stored, encoding, pad))
    np.testing.assert_array_equal(result, PICTURE[2:8, 3:11])
    assert result.flags.c_contiguous
    outside = decoder(IMAGE, crop={"x": 10, "width": 8, "height": 6})
    with pytest.raises(InputError, match="key.crop: does not fit an image of 16 x 12"):
        outside(message(stored, encoding, pad))


def test_resizing_is_the_training_pipelines_filter() -> None:
    images = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    expected = np.asarray(images.fromarray(PICTURE).resize((8, 6), images.BILINEAR))
    options = {"resize": {"width": 8, "height": 6}}
    result = decoder(IMAGE, encodings=["rgb8"], **options)(message(PICTURE, "rgb8"))
    np.testing.assert_array_equal(result, expected)
    form = form_of(decoder(IMAGE, encodings=["rgb8"], **options))
    assert (form.dtype, form.shape) == ("uint8", (6, 8, 3))


def test_padding_keeps_the_proportions() -> None:
    pytest.importorskip("PIL.Image", reason="pillow is not installed")
    white = np.full((12, 16, 3), 255, np.uint8)
    options = {"resize": {"width": 8, "height": 8, "pad": True}}
    result = decoder(IMAGE, **options)(message(white, "rgb8"))
    assert result.shape == (8, 8, 3)
    assert (result[1:7] == 255).all() and (result[0] == 0).all() and (result[7] == 0).all()


def test_depths_are_never_averaged_and_may_become_metres() -> None:
    depth = np.array([[1000, 65535], [0, 2000]], dtype=np.uint16).repeat(4, 0).repeat(4, 1)
    decode = decoder(
        IMAGE,
        encodings=["16UC1"],
        resize={"width": 2, "height": 2, "filter": "nearest"},
        dtype="float32",
        scale=0.001,
    )
    result = decode(message(depth, "16UC1"))
    np.testing.assert_allclose(result, [[1.0, 65.535], [0.0, 2.0]])
    assert result.dtype == np.float32
    assert form_of(decode).dtype == "float32" and form_of(decode).shape == (2, 2)


def test_an_odd_step_of_16_bit_rows_is_read() -> None:
    depth = np.arange(6, dtype=np.uint16).reshape(2, 3) * 1000
    for big in (False, True):
        result = decoder(IMAGE)(message(depth, "mono16", pad=1, big=big))
        np.testing.assert_array_equal(result, depth)


def test_the_last_row_need_not_be_padded() -> None:
    padded = message(PICTURE, "rgb8", pad=5)
    padded.data = padded.data[:-5]
    np.testing.assert_array_equal(decoder(IMAGE)(padded), PICTURE)


def test_a_picture_may_be_sent_compressed() -> None:
    images = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    sent = decoder(IMAGE, send="png")(message(PICTURE[:, :, ::-1], "bgr8"))
    assert isinstance(sent, EncodedImage) and sent.encoding == "png"
    np.testing.assert_array_equal(np.asarray(images.open(io.BytesIO(sent.data))), PICTURE)
    small, large = (
        len(decoder(IMAGE, send="jpeg", jpeg_quality=q)(message(PICTURE, "rgb8")).data)
        for q in (20, 95)
    )
    assert small < large
    with pytest.raises(InputError, match="key.send: float32 cannot be sent as jpeg"):
        decoder(IMAGE, send="jpeg")(message(np.zeros((2, 2), np.float32), "32FC1"))


DEPTH = np.random.default_rng(2).integers(0, 65536, (12, 16), dtype=np.uint16)


@pytest.mark.parametrize("encoding", ["16UC1", "mono16"])
def test_a_depth_is_a_view_of_its_message_of_16_bits(encoding: str) -> None:
    image = message(DEPTH, encoding)
    decode = decoder(IMAGE, encodings=[encoding])
    result = decode(image)
    assert result.dtype == np.uint16 and form_of(decode).dtype == "uint16"
    assert np.shares_memory(result, np.frombuffer(image.data, np.uint8))
    widened = decoder(IMAGE, encodings=[encoding], dtype="int32")(image)
    assert widened.dtype == np.int32 and (widened == DEPTH).all()


@pytest.mark.parametrize("how", ["bilinear", "bicubic", "box", "nearest"])
def test_a_resized_depth_stays_within_16_bits(how: str) -> None:
    pytest.importorskip("PIL.Image", reason="pillow is not installed")
    ends = np.where(np.arange(16) < 8, 0, 65535).astype(np.uint16) * np.ones((12, 1), np.uint16)
    options = {"width": 32, "height": 24, "filter": how}
    result = decoder(IMAGE, resize=options)(message(ends, "16UC1"))
    assert result.dtype == np.uint16 and (result[:, :8] < 100).all()
    assert (result[:, -8:] > 65435).all() and (np.diff(result.astype(int)) >= -2000).all()


@pytest.mark.parametrize("big", [False, True])
def test_a_depth_sent_as_png_arrives_bit_for_bit(big: bool) -> None:
    pytest.importorskip("PIL.Image", reason="pillow is not installed")
    decoding = decoder(IMAGE, encodings=["16UC1"], send="png")
    sent = decoding(message(DEPTH, "16UC1", pad=1, big=big))
    assert isinstance(sent, EncodedImage) and sent.dtype == np.uint16
    np.testing.assert_array_equal(decode(sent), DEPTH)
    assert form_of(decoding).dtype == "uint16" and form_of(decoding).compressed


@pytest.mark.parametrize(
    ("encoding", "dtype", "channels"),
    [("8UC2", "uint8", 2), ("8UC4", "uint8", 4), ("rgb16", "uint16", 3), ("bgra16", "uint16", 3)],
)
def test_images_of_any_channels_are_resized_each_by_itself(
    encoding: str, dtype: str, channels: int
) -> None:
    pytest.importorskip("PIL.Image", reason="pillow is not installed")
    stored = np.empty((4, 4, 4 if "a" in encoding else channels), dtype)
    stored[...] = (10, 200, 30, 0)[: stored.shape[2]]  # what has no alpha is weighed by none
    decode = decoder(IMAGE, encodings=[encoding], resize={"width": 2, "height": 3})
    form = form_of(decode)
    assert (form.dtype, form.shape) == (dtype, (3, 2, channels))
    result = decode(message(stored, encoding))
    assert result.shape == form.shape and result.dtype == dtype
    expected = [30, 200, 10] if encoding == "bgra16" else [10, 200, 30, 0][:channels]
    assert (result == expected).all()


def test_what_no_picture_holds_is_not_sent_as_one() -> None:
    pytest.importorskip("PIL.Image", reason="pillow is not installed")
    odd = (("8UC4", "uint8", 4), ("8UC2", "uint8", 2), ("rgb16", "uint16", 3))
    for encoding, dtype, channels in odd:
        with pytest.raises(ContractError, match=f"key.send: {encoding} cannot be sent as png"):
            decoder(IMAGE, encodings=[encoding], send="png")
        told = f"key.send: {dtype} of {channels} channels cannot be sent as png"
        with pytest.raises(InputError, match=told):
            decoder(IMAGE, send="png")(message(np.zeros((2, 2, channels), dtype), encoding))


def test_a_mosaic_that_stays_one_says_that_it_has_one_channel() -> None:
    decode = decoder(IMAGE, encodings=["bayer_rggb16"], bayer="mosaic")
    assert (form_of(decode).dtype, form_of(decode).shape) == ("uint16", (None, None))


@pytest.mark.parametrize("told", ["16UC1; png compressed ", "mono16; png compressed"])
def test_a_depth_camera_s_png_stays_as_it_is(told: str) -> None:
    pillow = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    file = io.BytesIO()
    pillow.fromarray(DEPTH).save(file, "png")
    sent = decoder("sensor_msgs/msg/CompressedImage", topic="depth/compressed")(
        CompressedImage(format=told, data=file.getvalue())
    )
    assert bytes(sent.data) == file.getvalue()
    assert (sent.dtype, sent.shape) == (np.uint16, (12, 16))
    np.testing.assert_array_equal(decode(sent), DEPTH)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"crop": {"x": 0}}, "key.crop.width: is missing"),
        ({"resize": {"width": 0, "height": 2}}, "key.resize.width: must be at least 1"),
        ({"resize": {"w": 2, "height": 2}}, "key.resize.w: unknown key"),
        ({"send": "jpg"}, "key.send: unknown value 'jpg'; did you mean 'jpeg'"),
        ({"send": "jpeg", "dtype": "float32"}, "key.dtype: an image sent as jpeg is uint8"),
        ({"jpeg_quality": 80}, "key.jpeg_quality: is for send: jpeg"),
        ({"send": "jpeg", "jpeg_quality": 99}, "key.jpeg_quality: must lie between 1 and 95"),
        ({"encodings": ["rgb"]}, "key.encodings[0]: unknown value 'rgb'; did you mean 'rgb8'"),
        (
            {"encodings": ["16UC1", "32FC1"], "send": "jpeg"},
            "key.send: 16UC1, 32FC1 cannot be sent as jpeg, which holds 8 bits a channel",
        ),
        (
            {"encodings": ["32FC1"], "send": "png"},
            "key.send: 32FC1 cannot be sent as png, which holds 8 bits a channel, or 16 of one",
        ),
        ({"bayer": "linear"}, "key.bayer: unknown value 'linear'; did you mean 'bilinear'"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], told: str) -> None:
    pytest.importorskip("PIL.Image", reason="pillow is not installed")
    with pytest.raises(ContractError) as caught:
        decoder(IMAGE, **options)
    assert told in str(caught.value)


@pytest.mark.parametrize("encoding", ["rgb8", "8UC3"])
def test_what_is_rgb_already_is_a_view_of_the_message(encoding: str) -> None:
    image = message(PICTURE, encoding)
    decoded = decoder(IMAGE)(image)
    assert np.shares_memory(decoded, np.frombuffer(image.data, np.uint8))


@pytest.mark.parametrize(
    ("mode", "shape"), [("RGBA", (2, 3, 3)), ("LA", (2, 3)), ("P", (2, 3, 3))]
)
def test_a_png_with_alpha_gives_what_was_promised_without_it(
    mode: str, shape: tuple[int, ...]
) -> None:
    pillow = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    file = io.BytesIO()
    colours = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 9
    pillow.fromarray(colours).convert(mode).save(file, "png")
    encoded = decoder("sensor_msgs/msg/CompressedImage")(
        CompressedImage(format="rgba8; png compressed", data=file.getvalue())
    )
    assert encoded.shape == shape
    pixels = decode(encoded)
    assert pixels.shape == shape
    expected = np.asarray(pillow.fromarray(colours).convert("L" if mode == "LA" else "RGB"))
    if mode != "P":  # of 256 colours
        np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("encoding", ["16SC1", "32FC3", "yuv444", "bayer_rggb12"])
def test_an_encoding_that_is_not_taken_is_no_misspelling_of_another(encoding: str) -> None:
    with pytest.raises(ContractError) as wrong:
        decoder("sensor_msgs/msg/Image", encodings=[encoding])
    assert "did you mean" not in str(wrong.value) and " rgb8," in str(wrong.value)
    with pytest.raises(InputError) as unfit:
        decoder("sensor_msgs/msg/Image")(Image(encoding=encoding))
    assert "did you mean" not in str(unfit.value) and " rgb8," in str(unfit.value)


COMPRESSED = "sensor_msgs/msg/CompressedImage"


def test_a_compressed_image_is_cropped_and_resized_on_the_robot() -> None:
    images = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    file = io.BytesIO()
    images.fromarray(PICTURE).save(file, "png")
    came = CompressedImage(format="rgb8; png compressed bgr8", data=file.getvalue())
    crop = {"x": 2, "y": 1, "width": 8, "height": 6}
    part = PICTURE[1:7, 2:10]
    np.testing.assert_array_equal(decoder(COMPRESSED, crop=crop)(came), part)
    small = decoder(COMPRESSED, crop=crop, resize={"width": 4, "height": 3})
    expected = np.asarray(images.fromarray(part.copy()).resize((4, 3), images.BILINEAR))
    np.testing.assert_array_equal(small(came), expected)
    sent = decoder(COMPRESSED, crop=crop, send="png")(came)
    assert sent.encoding == "png" and sent.shape == (6, 8, 3)
    as_it_came = decoder(COMPRESSED)(came)
    assert bytes(as_it_came.data) == file.getvalue()


def test_a_crop_beyond_a_compressed_image_is_named() -> None:
    images = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    file = io.BytesIO()
    images.fromarray(PICTURE).save(file, "png")
    decode = decoder(COMPRESSED, crop={"width": 640, "height": 480})
    with pytest.raises(InputError, match="crop: does not fit an image of 16 x 12"):
        decode(CompressedImage(format="png", data=file.getvalue()))
    with pytest.raises(InputError, match="broken png"):
        decode(CompressedImage(format="png", data=file.getvalue()[:60]))
