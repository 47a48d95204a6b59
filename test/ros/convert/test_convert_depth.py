"""Depth as image_transport's compressedDepth sends it."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from converting import decoder
from sensor_msgs.msg import CompressedImage, Image

from inferential_core.wire import rvl
from inferential_core.wire.images import decode
from inferential_ros.convert import InputError
from inferential_ros.convert.image import compressed_decoder
from inferential_ros.convert.registry import form_of
from inferential_ros.options.errors import ContractError

COMPRESSED = "sensor_msgs/msg/CompressedImage"
TOPIC = "camera/depth/compressedDepth"
RNG = np.random.default_rng(3)
DEPTH = RNG.integers(0, 65536, (12, 16), dtype=np.uint16) * RNG.integers(0, 2, (12, 16), np.uint16)
QUANTIZATION, FARTHEST_M = 100.0, 10.0  # the defaults of compressed_depth_image_transport


def by_png(stored: np.ndarray) -> bytes:
    pillow = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    file = io.BytesIO()
    pillow.fromarray(stored).save(file, "png")
    return file.getvalue()


def by_rvl(stored: np.ndarray) -> bytes:
    """As the paper says it, number after number."""
    nibbles: list[int] = []

    def put(number: int) -> None:
        while number > 7:
            nibbles.append(number & 7 | 8)
            number >>= 3
        nibbles.append(number)

    pixels, at, before = stored.ravel().tolist(), 0, 0
    while at < len(pixels):
        for with_depth in (False, True):
            end = at
            while end < len(pixels) and bool(pixels[end]) == with_depth:
                end += 1
            put(end - at)
            for pixel in pixels[at:end] if with_depth else ():
                difference, before = pixel - before, pixel
                put(2 * difference if difference >= 0 else -2 * difference - 1)
            at = end
    nibbles += [0] * (-len(nibbles) % 8)
    digits = "".join(f"{nibble:x}" for nibble in nibbles)
    words = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    return struct.pack(f"<{len(words)}I", *words)


def sized_rvl(stored: np.ndarray) -> bytes:
    return struct.pack("<II", stored.shape[1], stored.shape[0]) + by_rvl(stored)


ENDLESS = b"\x99" * 8 + b"\x11" * 4  # a number of 17 nibbles
WRITERS = {"png": by_png, "rvl": sized_rvl}


def message(form: str, picture: bytes, a: float = 0.0, b: float = 0.0) -> CompressedImage:
    return CompressedImage(format=form, data=struct.pack("<iff", 0, a, b) + picture)


def test_rvl_is_read_as_worked_out_by_hand() -> None:
    # runs 2 and 2, differences 5 (zigzag 10: nibbles 2+8, 1) and 1 (2), runs 1 and 0, filled up
    assert rvl.decompress(bytes.fromhex("0021a122"), 5).tolist() == [0, 0, 5, 6, 0]


@given(
    hnp.arrays(
        np.uint16,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=20),
        elements=st.one_of(st.just(0), st.sampled_from([1, 65535]), st.integers(0, 65535)),
    )
)
def test_rvl_loses_nothing(depth: np.ndarray) -> None:
    read = rvl.decompress(by_rvl(depth), depth.size)
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, depth.ravel())


@pytest.mark.parametrize(
    ("form", "how"),
    [
        ("16UC1; compressedDepth png", "png"),
        ("16UC1; compressedDepth", "png"),  # before there was another
        ("16UC1", "png"),
        ("mono16; compressedDepth png", "png"),
        ("16UC1; compressedDepth rvl", "rvl"),
        ("16UC1;compressedDepth rvl", "rvl"),
    ],
)
def test_depths_in_millimetres_arrive_bit_for_bit(form: str, how: str) -> None:
    received = message(form, WRITERS[how](DEPTH))
    decode = decoder(COMPRESSED, topic=TOPIC)
    depth = decode(received)
    assert depth.dtype == np.uint16 and not form_of(decode).compressed
    np.testing.assert_array_equal(depth, DEPTH)
    if "compressedDepth" in form:  # then the topic may have any name
        np.testing.assert_array_equal(compressed_decoder("key.topic")(received), DEPTH)


@pytest.mark.parametrize("how", WRITERS)
def test_depths_in_metres_are_right_within_half_a_step_of_their_quantization(how: str) -> None:
    metres = RNG.uniform(0.2, FARTHEST_M, (12, 16)).astype(np.float32)
    metres[0, :3] = np.nan
    a = QUANTIZATION * (QUANTIZATION + 1.0)
    b = 1.0 - a / FARTHEST_M
    inverse = a / metres.astype(float) + b
    stored = np.where(np.isnan(inverse), 0, np.rint(inverse)).astype(np.uint16)
    picture = WRITERS[how](stored)
    read = decoder(COMPRESSED, topic=TOPIC)(
        message(f"32FC1; compressedDepth {how}", picture, a, b)
    )
    assert read.dtype == np.float32 and np.isnan(read[0, :3]).all()
    assert (np.isnan(read) == np.isnan(metres)).all()
    valid = ~np.isnan(metres)
    steps = np.abs(a / read[valid].astype(float) + b - inverse[valid])
    assert steps.max() <= 0.5 + 1e-2  # float32's own rounding beside the half


def test_a_compressed_depth_is_shaped_as_a_raw_one_is() -> None:
    received = message("16UC1; compressedDepth rvl", sized_rvl(DEPTH))
    box = {"x": 3, "y": 2, "width": 8, "height": 6}
    read = decoder(COMPRESSED, topic=TOPIC, crop=box, dtype="float32", scale=0.001)(received)
    np.testing.assert_allclose(read, DEPTH[2:8, 3:11] / 1000.0, rtol=1e-6)
    sent = decoder(COMPRESSED, topic=TOPIC, send="png")(received)
    np.testing.assert_array_equal(decode(sent), DEPTH)
    with pytest.raises(ContractError, match="key.send: .* cannot be sent as jpeg"):
        decoder(COMPRESSED, topic=TOPIC, send="jpeg")


@pytest.mark.parametrize(
    ("received", "told"),
    [
        (message("rgb8; compressedDepth png", b""), "'rgb8; compressedDepth png' is not taken"),
        (message("16UC1; compressedDepth zip", b""), "as png or rvl are"),
        (message("16UC1; compressedDepth png", b"\x89PN"), "not a PNG"),
        (message("16UC1; compressedDepth rvl", b"\1\0\0"), "of 15 bytes"),
        (message("16UC1; compressedDepth rvl", b"\xff" * 8), "pixels"),
        (message("16UC1; compressedDepth rvl", sized_rvl(DEPTH)[:40]), "ends after"),
        (
            message(
                "16UC1; compressedDepth rvl", sized_rvl(DEPTH)[:8] + b"\x99" * 8 + b"\x11" * 4
            ),
            "nibbles",
        ),
        (message("32FC1; compressedDepth rvl", sized_rvl(DEPTH), 0.0, 1.0), "0.0 and 1.0"),
        (message("32FC1; compressedDepth rvl", sized_rvl(DEPTH), 9.0, np.nan), "9.0 and nan"),
        (CompressedImage(format="16UC1; compressedDepth png"), "of 0 bytes"),
    ],
)
def test_what_is_broken_is_refused_with_words(received: CompressedImage, told: str) -> None:
    with pytest.raises(InputError, match="key.topic: .*compressedDepth") as refused:
        decoder(COMPRESSED, topic=TOPIC)(received)
    assert told in str(refused.value)


def test_the_empty_jpegs_that_the_transport_makes_of_a_depth_are_told_of() -> None:
    empty = CompressedImage(format="16UC1; jpeg compressed ")
    with pytest.raises(InputError, match="are empty; as JPEG, image_transport sends nothing of a"):
        decoder(COMPRESSED, topic="depth/compressed")(empty)


def test_depth_of_any_topic_is_resized_without_making_up_depths_between() -> None:
    depth = np.zeros((4, 4), np.uint16)
    depth[:, 1:] = 4000  # what lies between this and 0, "none", would be an obstacle of no size
    resized = decoder(COMPRESSED, topic="depth", resize={"width": 2, "height": 2})
    header = struct.pack("<iff", 0, 0.0, 0.0)
    for form, data in (
        ("16UC1; png compressed ", by_png(depth)),
        ("16UC1; compressedDepth png", header + by_png(depth)),
    ):
        assert resized(CompressedImage(format=form, data=data)).tolist() == [[4000, 4000]] * 2


def test_a_png_of_8_bits_is_no_depth() -> None:
    picture = by_png(np.zeros((2, 2), np.uint8))
    with pytest.raises(InputError, match="does not have 16 bits"):
        decoder(COMPRESSED, topic=TOPIC)(message("16UC1; compressedDepth png", picture))


@given(st.sampled_from(["png", "rvl"]), st.binary(max_size=64), st.integers(0, 9))
def test_random_bytes_are_depths_or_refused(how: str, data: bytes, side: int) -> None:
    size = struct.pack("<II", side, side) if how == "rvl" else b"\x89PNG\r\n\x1a\n"
    decode = decoder(COMPRESSED, topic=TOPIC)
    try:
        depth = decode(message(f"16UC1; compressedDepth {how}", size + data))
    except InputError:
        return
    assert depth.shape == (side, side)


def test_what_we_write_is_what_the_transport_writes() -> None:
    assert rvl.compress(DEPTH) == by_rvl(DEPTH)
    holes = np.zeros((9, 7), np.uint16)
    holes[2:4, 3:] = 40_000
    assert rvl.compress(holes) == by_rvl(holes)


def test_depth_is_sent_as_rvl_and_needs_16_bits_for_it() -> None:
    image = Image(encoding="16UC1", height=DEPTH.shape[0], width=DEPTH.shape[1])
    image.step, image.data = 2 * DEPTH.shape[1], DEPTH.astype("<u2").tobytes()
    send = decoder("sensor_msgs/msg/Image", encodings=["16UC1"], send="rvl")
    assert form_of(send).dtype == "uint16" and form_of(send).sent_as == "rvl"
    sent = send(image)
    assert sent.encoding == "rvl"
    np.testing.assert_array_equal(decode(sent), DEPTH)
    with pytest.raises(ContractError, match="cannot be sent as rvl, which holds 16 bits"):
        decoder("sensor_msgs/msg/Image", encodings=["rgb8", "32FC1"], send="rvl")
